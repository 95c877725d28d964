"""A model that gives a text any number of labels: each label is a question with two answers.

The answer is yes where the label's logit is over 0. To one question the model is a classifier of
two classes with the logits 0 and z.
"""

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.evidence.margins import PREDICTION_CLASSES
from clampdown_calib.evidence.temperature import inverse_temperature
from clampdown_calib.rows.clean_run import CleanRun


def answers(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """What logits of any shape say to each question, 1 for yes and 0 for no."""
    return (logits > 0).astype(np.int64)


def true_answers(run: CleanRun) -> NDArray[np.int64]:
    """The labels; without them the model's own answers, int64 ``[n, C]``."""
    return answers(run.logits) if run.labels is None else run.labels


def question_temperature(logits: NDArray[np.floating], truth: NDArray[np.int64]) -> float:
    """The inverse temperature of the logits ``[n, C]`` of all questions together."""
    yes = logits.reshape(-1)
    return inverse_temperature(np.stack([np.zeros_like(yes), yes], axis=1), truth.reshape(-1))


def signs(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """1 where the answer is yes, -1 where it is no; of the shape of the logits."""
    return np.where(logits > 0, np.float32(1), np.float32(-1))


def emit_answers(tape: ir.tape.Tape, logits: ir.Value) -> ir.Value:
    """The nodes of :func:`answers`, bool of the shape of float32 ``logits``."""
    zero = tape.initializer(ir.tensor(np.float32(0)), PREDICTION_CLASSES)
    return tape.op("Greater", [logits, zero])
