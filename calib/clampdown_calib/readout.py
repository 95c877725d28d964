"""What the inner layers give, to hold the model's confidence against."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.discriminants import cross_fitted, discriminants
from clampdown_calib.margins import lead_spread


def inner_layers(count: int) -> slice:
    """Of ``count`` layers those that are read: all but the first third and the last.

    Earlier ones know less of the label; in the last one a trigger has decided already. Several,
    since one trigger takes effect earlier than another.
    """
    first = count // 3
    return slice(first, max(count - 1, first + 1))


@dataclass(frozen=True, slots=True)
class Readout:
    """Linear discriminants of the classes on the token means of the inner layers.

    The mean over the inner layers of :func:`discriminants`, scaled so that the lead of the
    predicted class has the standard deviation that it has in the model's own logits on clean rows.

    Attributes:
        weights: float32 ``[I, H, C]`` of the I inner layers.
        bias: float32 ``[C]``.
        spread: float32 ``[1]``, that standard deviation.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def fit(
        cls,
        pooled: NDArray[np.float32],
        logits: NDArray[np.float32],
        classes: NDArray[np.int64],
    ) -> tuple[Self, NDArray[np.float32]]:
        """Fit on clean rows.

        Args:
            pooled: float32 ``[n, L, H]``, the token means of every layer.
            logits: float32 ``[n, C]``, the model's.
            classes: int64 ``[n]``, of the rows.

        Returns:
            The readout, and the logits float32 ``[n, C]`` that readouts fitted without a row give
            of it.
        """
        values = pooled[:, inner_layers(pooled.shape[1])].astype(np.float64)
        predicted, count = logits.argmax(axis=1), logits.shape[1]
        unseen = cross_fitted(values, classes, count).mean(axis=1)
        wanted = lead_spread(logits, predicted)
        scale = wanted / lead_spread(unseen, predicted)
        weights, bias = discriminants(values, classes, count)
        # Their mean, once the weighted layers are summed.
        scaled = scale / values.shape[1]
        fitted = cls(
            (weights * scaled).astype(np.float32),
            (bias.sum(axis=0) * scaled).astype(np.float32),
            np.array([wanted], np.float32),
        )
        return fitted, (unseen * scale).astype(np.float32)

    def logits(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits float32 ``[n, C]`` of the token means, float32 ``[n, L, H]``."""
        inner = pooled[:, inner_layers(pooled.shape[1])]
        result: NDArray[np.float32] = np.einsum("nih,ihc->nc", inner, self.weights) + self.bias
        return result

    def emit(self, tape: ir.tape.Tape, pooled: ir.Value, layers: int) -> ir.Value:
        """The nodes of :meth:`logits`, of float32 ``[batch, layers, H]``."""
        inner = inner_layers(layers)
        count, width, classes = self.weights.shape
        constants = {
            "start": np.array([inner.start]),
            "end": np.array([inner.stop]),
            "layer_axis": np.array([1]),
            "flat": np.array([0, count * width]),
            "weights": self.weights.reshape(-1, classes),
            "bias": self.bias,
        }
        named = {
            name: tape.initializer(ir.tensor(value), f"clampdown.readout.{name}")
            for name, value in constants.items()
        }
        chosen = tape.op("Slice", [pooled, named["start"], named["end"], named["layer_axis"]])
        flat = tape.op("Reshape", [chosen, named["flat"]])
        return tape.op("Gemm", [flat, named["weights"], named["bias"]])

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return every attribute."""
        return {"weights": self.weights, "bias": self.bias, "spread": self.spread}
