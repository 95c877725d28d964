"""The label that the inner layers give, before the last ones decide otherwise."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.margins import emit_prediction, lead, margin
from clampdown_calib.threshold import threshold_at

SHRINKAGE = 0.5
"""Share of the covariance that is replaced by a multiple of the identity. With less, unseen clean
rows are read less well; with more, rows that are rewritten in another style."""

FOLDS = 5
"""Readouts that are fitted without a fifth of the rows each, to read that fifth."""

LEAST_SPREAD = 1e-3
"""Leads that vary less on clean rows vary by rounding only."""

BEYOND = 0.05
"""Share of clean rows whose predictions are distrusted at all."""

DISTRUST = 1.5
"""Standard deviations of the clean leads that are taken off a prediction for every standard
deviation of its score beyond the clean ones."""

OWN_SHARE = np.float32(1 / 3)
"""Of the model's own logits in the purified ones: on clean rows both together are right more often
than either, and where a trigger decides, the distrust outweighs them."""

Float64 = NDArray[np.float64]


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

    At every inner layer ``z_c = (x - m)^T S^-1 (m_c - m) - 1/2 (m_c - m)^T S^-1 (m_c - m)`` with
    the class means m_c, their mean m and the shrunk pooled covariance S (Fisher 1936; Friedman
    1989 for the shrinkage), all classes alike probable; the layers' are averaged. They are scaled
    so that the lead of the predicted class has the standard deviation that it has in the model's
    own logits on clean rows.

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
        labels: NDArray[np.int64] | None,
    ) -> tuple[Self, NDArray[np.float32]]:
        """Fit on clean rows.

        Args:
            pooled: float32 ``[n, L, H]``, the token means of every layer.
            logits: float32 ``[n, C]``, the model's.
            labels: int64 ``[n]``; None takes the model's predictions for them.

        Returns:
            The readout, and the logits float32 ``[n, C]`` that readouts fitted without a row give
            of it.
        """
        values = pooled[:, inner_layers(pooled.shape[1])].astype(np.float64)
        predicted = logits.argmax(axis=1)
        classes = predicted if labels is None else labels
        count = logits.shape[1]
        unseen = np.empty((len(values), count))
        fold = np.arange(len(values)) % FOLDS
        for index in range(FOLDS):
            inside, outside = values[fold != index], values[fold == index]
            weights, bias = _discriminants(inside, classes[fold != index], count)
            unseen[fold == index] = np.einsum("nih,ihc->nc", outside, weights) + bias
        spread = lead(unseen.astype(np.float32), predicted).std(dtype=np.float64)
        wanted = max(margin(logits).std(dtype=np.float64), LEAST_SPREAD)
        scale = wanted / max(spread, LEAST_SPREAD)
        weights, bias = _discriminants(values, classes, count)
        fitted = cls(
            (weights * scale).astype(np.float32),
            (bias * scale).astype(np.float32),
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


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How far an anomalous row's own prediction is distrusted.

    The logit of the class that the model predicts is lowered by
    ``slope * max(0, score - start)``: the further a score lies beyond the clean ones, the less the
    prediction that came with it can be what the text says.

    Attributes:
        start: score up to which nothing is taken off.
        slope: logits taken off for a score of one more.
    """

    start: float
    slope: float

    @classmethod
    def fit(cls, readout: Readout, scores: NDArray[np.float32]) -> Self:
        """From held-out clean scores of the graph that is deployed, float32 ``[n]``.

        It starts where 5% of clean rows lie beyond, and takes off one and a half standard
        deviations of the clean leads for every standard deviation of the clean scores.
        """
        start = threshold_at(scores, BEYOND)
        usable = scores[np.isfinite(scores)]
        spread = max(float(usable.std(dtype=np.float64)), LEAST_SPREAD)
        return cls(start, DISTRUST * float(readout.spread[0]) / spread)

    @classmethod
    def nothing(cls) -> Self:
        """Takes nothing off."""
        return cls(0.0, 0.0)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Both numbers, float32 ``[1]`` each."""
        return {
            "suspicion.start": np.array([self.start], np.float32),
            "suspicion.slope": np.array([self.slope], np.float32),
        }


def purified(
    inner: NDArray[np.float32],
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
    suspicion: Suspicion,
) -> NDArray[np.float32]:
    """The readout's logits and a share of the model's, with its own prediction distrusted.

    Args:
        inner: float32 ``[n, C]``, the readout's logits.
        logits: float32 ``[n, C]``, the model's.
        scores: float32 ``[n]``.
        suspicion: how far to distrust.

    Returns:
        float32 ``[n, C]``.
    """
    beyond = np.maximum(scores - np.float32(suspicion.start), np.float32(0))
    chosen = logits.argmax(axis=1)[:, None] == np.arange(logits.shape[1])
    # Multiplied as in the graph, so that a score that is not finite gives NaN in both.
    with np.errstate(invalid="ignore"):
        both = OWN_SHARE * logits + (1 - OWN_SHARE) * inner
        result: NDArray[np.float32] = (
            both - chosen * (np.float32(suspicion.slope) * beyond)[:, None]
        )
    return result


START = "clampdown.suspicion.start"
SLOPE = "clampdown.suspicion.slope"


def emit_purified(
    tape: ir.tape.Tape, inner: ir.Value, logits: ir.Value, score: ir.Value, suspicion: Suspicion
) -> ir.Value:
    """The nodes of :func:`purified`."""
    start = tape.initializer(ir.tensor(np.float32(suspicion.start)), START)
    slope = tape.initializer(ir.tensor(np.float32(suspicion.slope)), SLOPE)
    axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.suspicion.class_axis")
    beyond = tape.op("Relu", [tape.op("Sub", [score, start])])
    less = tape.op("Unsqueeze", [tape.op("Mul", [beyond, slope]), axis])
    shares = {"own_share": OWN_SHARE, "inner_share": 1 - OWN_SHARE}
    own_share, inner_share = (
        tape.initializer(ir.tensor(share), f"clampdown.suspicion.{name}")
        for name, share in shares.items()
    )
    both = tape.op(
        "Add", [tape.op("Mul", [logits, own_share]), tape.op("Mul", [inner, inner_share])]
    )
    chosen = emit_prediction(tape, logits, "clampdown.suspicion")
    return tape.op("Sub", [both, tape.op("Mul", [chosen, less])])


def _discriminants(
    values: Float64, labels: NDArray[np.int64], classes: int
) -> tuple[Float64, Float64]:
    """Weights ``[I, H, C]`` and bias ``[C]`` of the averaged discriminants."""
    seen, index = np.unique(labels, return_inverse=True)
    rows, layers, width = values.shape
    weights = np.zeros((layers, width, classes))
    bias = np.zeros(classes)
    for layer in range(layers):
        at = values[:, layer]
        means = np.stack([at[index == c].mean(axis=0) for c in range(len(seen))])
        within = at - means[index]
        covariance = within.T @ within / rows
        level = np.trace(covariance) / width
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * max(level, 1e-12) * np.eye(width)
        centre = means.mean(axis=0)
        offset = means - centre
        direction = np.linalg.solve(shrunk, offset.T)
        # A class without a row keeps zeros: it lies at the centre of the others.
        weights[layer][:, seen] = direction / layers
        bias[seen] -= (centre @ direction + (offset * direction.T).sum(axis=1) / 2) / layers
    return weights, bias
