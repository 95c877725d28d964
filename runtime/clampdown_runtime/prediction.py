"""What a defended graph puts out, and what it means."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class RawOutputs:
    """The graph's outputs, row by row in the order of the input.

    Attributes:
        logits: float32 [rows, classes].
        anomaly_score: float32 [rows].
        flagged: bool [rows].
    """

    logits: npt.NDArray[np.float32]
    anomaly_score: npt.NDArray[np.float32]
    flagged: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The result of one text.

    Attributes:
        label: the name of the most probable class.
        probability: the softmax of ``logits`` at ``label``, 0 to 1; NaN where a logit is NaN.
        anomaly_score: the distance from the clean distribution, high = abnormal.
        flagged: whether the score is not at most the threshold.
        logits: the defended logits, one of each class.
    """

    label: str
    probability: float
    anomaly_score: float
    flagged: bool
    logits: tuple[float, ...]

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The softmax of ``logits``, one of each class in the order of the bundle's labels.

        Computed anew by each call. All NaN where a logit is NaN or +∞.
        """
        return tuple(softmax(np.array([self.logits], np.float32))[0].tolist())


def to_predictions(outputs: RawOutputs, labels: Sequence[str]) -> list[Prediction]:
    """Names the most probable class of each row.

    Args:
        outputs: the outputs of any number of rows.
        labels: the name of class 0, 1, …

    Returns:
        One prediction for each row, in order.
    """
    best = outputs.logits.argmax(axis=1)
    probabilities = np.take_along_axis(softmax(outputs.logits), best[:, np.newaxis], axis=1)[:, 0]
    return [
        Prediction(labels[label], probability, score, flagged, tuple(logits))
        for label, probability, score, flagged, logits in zip(
            best.tolist(),
            probabilities.tolist(),
            outputs.anomaly_score.tolist(),
            outputs.flagged.tolist(),
            outputs.logits.tolist(),
            strict=True,
        )
    ]


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The softmax of each row.

    Args:
        logits: float32 [rows, classes], at least one class.

    Returns:
        float64 [rows, classes]; NaN in the rows where a logit is NaN or +∞.
    """
    with np.errstate(invalid="ignore"):
        # Shifted, so that no exponential overflows.
        exponents = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        probabilities: npt.NDArray[np.float64] = exponents / exponents.sum(axis=1, keepdims=True)
    return probabilities
