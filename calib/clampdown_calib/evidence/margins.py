"""The logit margin: how far one class is ahead of the others."""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

LEAST_SPREAD = 1e-3
"""Margins that vary less on clean rows vary by rounding only."""

FAR = 1e9
"""Takes a class out of a maximum; finite, since only what is not flags a row."""

PREDICTION_CLASSES = "clampdown.prediction.classes"
"""Initializer of the node that tells the predicted class, by which it is found in a graph."""


def logit_margin(logits: NDArray[np.float32], classes: NDArray[np.int64]) -> NDArray[np.float32]:
    """The logit of each row's class less the largest of the other classes.

    Args:
        logits: float32 ``[n, ..., C]``.
        classes: int64 ``[n]``.

    Returns:
        float32 ``[n, ...]``; negative where another class is ahead.
    """
    chosen = classes[:, None] == np.arange(logits.shape[-1])
    chosen = chosen.reshape(len(classes), *(1,) * (logits.ndim - 2), -1)
    others = np.where(chosen, -np.inf, logits)
    own = np.where(chosen, logits, -np.inf)
    result: NDArray[np.float32] = own.max(axis=-1) - others.max(axis=-1)
    return result


def margin_spread(margins: NDArray[np.floating]) -> float:
    """Standard deviation of margins ``[n]``, at least ``LEAST_SPREAD``."""
    return max(float(margins.std(dtype=np.float64)), LEAST_SPREAD)


def emit_logit_margin(tape: ir.tape.Tape, chosen: ir.Value, logits: ir.Value) -> ir.Value:
    """The nodes of :func:`logit_margin`.

    Args:
        tape: where nodes and initializers are recorded.
        chosen: bool ``[batch, 1, C]``, true at the class.
        logits: float32 ``[batch, M, C]``.

    Returns:
        float32 ``[batch, M]``.
    """
    axis = tape.initializer(ir.tensor(np.array([2])), "clampdown.margin.class_axis")
    zero = tape.initializer(ir.tensor(np.float32(0)), "clampdown.margin.zero")
    away = tape.initializer(ir.tensor(np.float32(-FAR)), "clampdown.margin.away")
    own = tape.op("ReduceSum", [tape.op("Where", [chosen, logits, zero]), axis], {"keepdims": 0})
    other = tape.op("ReduceMax", [tape.op("Where", [chosen, away, logits]), axis], {"keepdims": 0})
    return tape.op("Sub", [own, other])


def prediction(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the predicted class is, bool ``[n, C]`` of float32 ``[n, C]``."""
    predicted: NDArray[np.bool_] = logits.argmax(axis=1)[:, None] == np.arange(logits.shape[1])
    return predicted


def emit_prediction(tape: ir.tape.Tape, logits: ir.Value, classes: int) -> ir.Value:
    """The nodes of :func:`prediction`, bool ``[batch, 1, C]`` of float32 ``[batch, 1, C]``."""
    numbers = tape.initializer(ir.tensor(np.arange(classes)), PREDICTION_CLASSES)
    best = tape.op("ArgMax", [logits], {"axis": 2, "keepdims": 1})
    return tape.op("Equal", [best, numbers])
