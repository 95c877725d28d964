"""The label that the earlier layers vote for, before the last ones decide otherwise."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.discriminants import cross_fitted, discriminants
from clampdown_calib.margins import lead_spread

SHARPNESS = 1 / 0.3
"""Times the scale of the model's own logits: a layer's vote goes to few classes, so that one which
a trigger has persuaded has next to no say about the other classes."""


def voting_layers(count: int) -> slice:
    """Of ``count`` layers those that vote: all but the last third, and never the last alone."""
    return slice(0, max(count - max(count // 3, 1), 1))


@dataclass(frozen=True, slots=True)
class LayerVotes:
    """A linear opinion pool (Stone 1961) of the earlier layers.

    Every layer distributes one vote, the softmax of its sharpened :func:`discriminants` of the
    token means; the logits are the logarithm of the mean vote, scaled so that the lead of the
    predicted class has the standard deviation that it has in the model's own logits on clean rows.
    A mean of the layers' logits would let a layer that a trigger has persuaded outvote the others
    in everything; here it can only give its own vote away.

    Attributes:
        weights: float32 ``[J, H, C]`` of the J layers that vote.
        bias: float32 ``[J, C]``.
        scale: float32 ``[1]``, of the logarithm.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        pooled: NDArray[np.float32],
        logits: NDArray[np.float32],
        classes: NDArray[np.int64],
    ) -> Self:
        """Fit on clean rows.

        Args:
            pooled: float32 ``[n, L, H]``, the token means of every layer.
            logits: float32 ``[n, C]``, the model's.
            classes: int64 ``[n]``, of the rows.
        """
        values = pooled[:, voting_layers(pooled.shape[1])].astype(np.float64)
        predicted, count = logits.argmax(axis=1), logits.shape[1]
        wanted = lead_spread(logits, predicted)
        unseen = cross_fitted(values, classes, count)
        sharp = SHARPNESS * wanted / lead_spread(unseen.mean(axis=1), predicted)
        scale = wanted / lead_spread(_log_votes(unseen * sharp), predicted)
        weights, bias = discriminants(values, classes, count)
        return cls(
            (weights * sharp).astype(np.float32),
            (bias * sharp).astype(np.float32),
            np.array([scale], np.float32),
        )

    def logits(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits float32 ``[n, C]`` of the token means, float32 ``[n, L, H]``."""
        voting = pooled[:, voting_layers(pooled.shape[1])]
        opinions = np.einsum("njh,jhc->njc", voting, self.weights) + self.bias
        result: NDArray[np.float32] = self.scale * _log_votes(opinions)
        return result

    def emit(self, tape: ir.tape.Tape, pooled: ir.Value, layers: int) -> ir.Value:
        """The nodes of :meth:`logits`, of float32 ``[batch, layers, H]``."""
        voting = voting_layers(layers)
        constants = {
            "start": np.array([voting.start]),
            "end": np.array([voting.stop]),
            "layer_axis": np.array([1]),
            "row_axis": np.array([2]),
            "weights": self.weights,
            "bias": self.bias[:, None],
            "pooled_axes": np.array([1, 2]),
            "scale": self.scale,
        }
        named = {
            name: tape.initializer(ir.tensor(value), f"clampdown.votes.{name}")
            for name, value in constants.items()
        }
        chosen = tape.op("Slice", [pooled, named["start"], named["end"], named["layer_axis"]])
        rows = tape.op("Unsqueeze", [chosen, named["row_axis"]])
        opinions = tape.op("Add", [tape.op("MatMul", [rows, named["weights"]]), named["bias"]])
        votes = tape.op("LogSoftmax", [opinions], {"axis": -1})
        total = tape.op("ReduceLogSumExp", [votes, named["pooled_axes"]], {"keepdims": 0})
        return tape.op("Mul", [total, named["scale"]])

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return every attribute."""
        return {"weights": self.weights, "bias": self.bias, "scale": self.scale}


def _log_votes(opinions: NDArray[np.floating]) -> NDArray[np.floating]:
    """Logarithm of the summed votes, ``[n, C]`` of ``[n, J, C]``."""
    logs = opinions - np.logaddexp.reduce(opinions, axis=2, keepdims=True)
    total: NDArray[np.floating] = np.logaddexp.reduce(logs, axis=1)
    return total
