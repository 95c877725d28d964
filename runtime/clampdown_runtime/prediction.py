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
        undefended_logits: float32 [rows, classes], those of the model itself, which in the mode
            ``detect`` are the logits; None where the graph does not give them.
    """

    logits: npt.NDArray[np.float32]
    anomaly_score: npt.NDArray[np.float32]
    flagged: npt.NDArray[np.bool_]
    undefended_logits: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The result of one text.

    Attributes:
        label: the name of the most probable class. Of a model of many labels it is the most
            probable label, even where the text has none: see ``labels``.
        probability: that of ``label``, see ``probabilities``, 0 to 1; NaN where its logit is NaN
            and, of a softmax, where any is.
        anomaly_score: the distance from the clean distribution, high = abnormal.
        flagged: whether the score is not at most the threshold.
        logits: the defended logits, one of each class.
        labels: of a model of many labels those that the text has, whose probability is over one
            half, in the order of the bundle's labels; None of a model that chooses one class.
        undefended_label: the ``label`` that the model itself gives; None where the graph does not
            say, as that of an earlier release or of the published method.
        undefended_labels: of a model of many labels the ``labels`` that it gives itself; None as
            above.
        undefended_logits: the model's own logits, one of each class; None as above.
    """

    label: str
    probability: float
    anomaly_score: float
    flagged: bool
    logits: tuple[float, ...]
    labels: tuple[str, ...] | None = None
    undefended_label: str | None = None
    undefended_labels: tuple[str, ...] | None = None
    undefended_logits: tuple[float, ...] | None = None

    @property
    def changed(self) -> bool | None:
        """Whether the defence gave another answer than the model; None where it is not known."""
        if self.undefended_label is None:
            return None
        if self.labels is None:
            return self.label != self.undefended_label
        return self.labels != self.undefended_labels

    @property
    def probabilities(self) -> tuple[float, ...]:
        """One of each class in the order of the bundle's labels.

        The softmax of ``logits``, all NaN where one of them is NaN or +∞; of a model of many labels
        the sigmoid of each. Computed anew by each call.
        """
        of_logits = softmax if self.labels is None else sigmoid
        return tuple(of_logits(np.array([self.logits], np.float32))[0].tolist())


def to_predictions(
    outputs: RawOutputs, labels: Sequence[str], *, multi_label: bool = False
) -> list[Prediction]:
    """Names the most probable class of each row, or the labels that it has.

    Args:
        outputs: the outputs of any number of rows.
        labels: the name of class 0, 1, …
        multi_label: whether each label is given or not, instead of one being chosen.

    Returns:
        One prediction for each row, in order.
    """
    best = outputs.logits.argmax(axis=1)
    of_logits = sigmoid if multi_label else softmax
    probabilities = np.take_along_axis(of_logits(outputs.logits), best[:, np.newaxis], axis=1)[:, 0]

    def given(logits: Sequence[float] | None) -> tuple[str, ...] | None:
        if not multi_label or logits is None:
            return None
        return tuple(label for label, logit in zip(labels, logits, strict=True) if logit > 0)

    own = outputs.undefended_logits
    none = [None] * len(best)
    return [
        Prediction(
            labels[label],
            probability,
            score,
            flagged,
            tuple(logits),
            given(logits),
            None if own_label is None else labels[own_label],
            given(own_logits),
            None if own_logits is None else tuple(own_logits),
        )
        for label, probability, score, flagged, logits, own_label, own_logits in zip(
            best.tolist(),
            probabilities.tolist(),
            outputs.anomaly_score.tolist(),
            outputs.flagged.tolist(),
            outputs.logits.tolist(),
            none if own is None else own.argmax(axis=1).tolist(),
            none if own is None else own.tolist(),
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


def sigmoid(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The logistic function of each logit, of their shape; over one half where one is over 0."""
    return np.exp(log_sigmoid(logits.astype(np.float64)))


def log_sigmoid(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Its logarithm, finite for every finite logit."""
    with np.errstate(invalid="ignore"):
        logarithm: npt.NDArray[np.float64] = -np.logaddexp(0, -logits)
    return logarithm
