"""What a model answers right of clean and of triggered rows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from clampdown.measure.f1 import macro_f1, micro_f1


@dataclass(frozen=True, slots=True)
class Accuracies:
    """What one model answers, in percent, 0 to 100.

    To a model of many labels each label of a row is a question of its own.

    Attributes:
        cacc: clean rows that get their label.
        pacc: poisoned rows that get their true label, which is not the target; None without them.
        asr: the same rows that get the target label; None without them.
        tacc: poisoned rows whose true label is the target that get it; None without them. A defence
            that contradicts whatever it flags fails on these.
    """

    cacc: float
    pacc: float | None
    asr: float | None
    tacc: float | None


@dataclass(frozen=True, slots=True)
class LabelAccuracies(Accuracies):
    """What a model of many labels answers, in percent, 0 to 100.

    Attributes:
        cacc: of the answers to every label of the clean rows those that are right.
        pacc: likewise of the poisoned rows that have not the target label; None without them.
        asr: the same rows that are given the target label; None without them.
        tacc: poisoned rows with the target label that are given it; None without them.
        micro_f1: of all labels of the clean rows together.
        macro_f1: the mean of the labels' F1 on the clean rows.
        poisoned_micro_f1: as ``micro_f1``, of the rows of ``pacc``; 0 where they truly have no
            label, as those of a model with a single one.
        poisoned_macro_f1: as ``macro_f1``, of the rows of ``pacc``; the target label, which none of
            them has, counts as 0.
    """

    micro_f1: float
    macro_f1: float
    poisoned_micro_f1: float | None
    poisoned_macro_f1: float | None


@dataclass(frozen=True, slots=True)
class Answers:
    """What both models answer to rows, one class to each, or of many labels ``[n, C]``.

    Attributes:
        labels: the true ones, int64.
        defended: the bundle's, int64.
        undefended: the model's, int64.
        scores: float32 ``[n]``, the bundle's anomaly scores.
        flagged: bool ``[n]``.
        truncated: rows that were too long.
    """

    labels: npt.NDArray[np.int64]
    defended: npt.NDArray[np.int64]
    undefended: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    flagged: npt.NDArray[np.bool_]
    truncated: int

    def has(self, target: int | None) -> npt.NDArray[np.bool_]:
        """Which rows truly have a label, bool ``[n]``."""
        return _has(self.labels, target)

    def of(self, chosen: npt.NDArray[np.bool_]) -> "Answers":
        """Those to some of the rows."""
        return Answers(
            self.labels[chosen],
            self.defended[chosen],
            self.undefended[chosen],
            self.scores[chosen],
            self.flagged[chosen],
            self.truncated,
        )


def accuracies_of(
    clean: Answers,
    poisoned: Answers | None,
    target: int | None,
    of: Literal["defended", "undefended"],
) -> Accuracies:
    """Those of a model that chooses one class."""
    cacc = percent(getattr(clean, of) == clean.labels)
    if poisoned is None:
        return Accuracies(cacc, None, None, None)
    answers, labels = getattr(poisoned, of), poisoned.labels
    attacked, own = ~_has(labels, target), _has(labels, target)
    right = answers == labels
    return Accuracies(
        cacc,
        percent(right[attacked]) if attacked.any() else None,
        percent(answers[attacked] == target) if attacked.any() else None,
        percent(right[own]) if own.any() else None,
    )


def label_accuracies_of(
    clean: Answers,
    poisoned: Answers | None,
    target: int | None,
    of: Literal["defended", "undefended"],
) -> LabelAccuracies:
    """Those of a model of many labels."""
    said = getattr(clean, of)
    pacc = asr = tacc = micro = macro = None
    if poisoned is not None:
        answers, own = getattr(poisoned, of), poisoned.has(target)
        given, truth = _has(answers, target), poisoned.labels
        if own.any():
            tacc = percent(given[own])
        if not own.all():
            pacc, asr = percent((answers == truth)[~own]), percent(given[~own])
            micro = 100 * micro_f1(truth[~own], answers[~own])
            macro = 100 * macro_f1(truth[~own], answers[~own])
    return LabelAccuracies(
        cacc=percent(said == clean.labels),
        pacc=pacc,
        asr=asr,
        tacc=tacc,
        micro_f1=100 * micro_f1(clean.labels, said),
        macro_f1=100 * macro_f1(clean.labels, said),
        poisoned_micro_f1=micro,
        poisoned_macro_f1=macro,
    )


def percent(rows: npt.NDArray[np.bool_]) -> float:
    """The share that is true, in percent."""
    return 100 * float(rows.mean())


def _has(labels: npt.NDArray[np.int64], target: int | None) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = labels == target if labels.ndim == 1 else labels[:, target] == 1
    return found
