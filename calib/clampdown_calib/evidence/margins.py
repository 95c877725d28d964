"""The logit margin: how far one class is ahead of the others."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

LEAST_SPREAD = 1e-3
"""Margins that vary less on clean rows vary by rounding only."""

FAR = 1e9
"""Takes a class out of a maximum; finite, since infinity times zero is no number."""


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


def emit_logit_margin(
    tape: ir.tape.Tape, chosen: ir.Value, logits: Sequence[ir.Value]
) -> list[ir.Value]:
    """The nodes of :func:`logit_margin`, of one class in each of ``logits``.

    Args:
        tape: where nodes and initializers are recorded.
        chosen: float32 ``[batch, 1, C]``, 1 at the class and 0 elsewhere.
        logits: float32 ``[batch, ..., C]`` each.

    Returns:
        float32 ``[batch, ...]`` for each of ``logits``.
    """
    axis = tape.initializer(ir.tensor(np.array([-1])), "clampdown.margin.class_axis")
    far = tape.initializer(ir.tensor(np.float32(FAR)), "clampdown.margin.far")
    away = tape.op("Mul", [chosen, far])
    margins = []
    for value in logits:
        own = tape.op("ReduceSum", [tape.op("Mul", [value, chosen]), axis], {"keepdims": 0})
        other = tape.op("ReduceMax", [tape.op("Sub", [value, away]), axis], {"keepdims": 0})
        margins.append(tape.op("Sub", [own, other]))
    return margins


def prediction(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where the predicted class is, bool ``[n, C]`` of float32 ``[n, C]``."""
    predicted: NDArray[np.bool_] = logits.argmax(axis=1)[:, None] == np.arange(logits.shape[1])
    return predicted


def emit_prediction(tape: ir.tape.Tape, logits: ir.Value, name: str) -> ir.Value:
    """The nodes of :func:`prediction`, as 1 among zeros, float32 ``[batch, C]``.

    Args:
        tape: where nodes and initializers are recorded.
        logits: float32 ``[batch, C]`` of a known C.
        name: begins the initializers' names.
    """
    if logits.shape is None or not isinstance(logits.shape[1], int):
        raise ValueError(f"the logits have the shape {logits.shape}")
    classes = np.arange(logits.shape[1])
    numbers = tape.initializer(ir.tensor(classes[None]), f"{name}.classes")
    best = tape.op("ArgMax", [logits], {"axis": 1, "keepdims": 1})
    return tape.op("Cast", [tape.op("Equal", [best, numbers])], {"to": ir.DataType.FLOAT})
