"""How far a flagged row's own prediction is distrusted: as far as clean rows allow."""

import math

import numpy as np

from clampdown_calib.activations import CleanRun
from clampdown_calib.cross_fitting import CrossFitted
from clampdown_calib.margins import LEAST_SPREAD
from clampdown_calib.purified_logits import Suspicion, purified
from clampdown_calib.readout import Readout
from clampdown_calib.threshold import threshold_at

BEYOND = 0.1
"""Share of clean rows whose predictions are distrusted at all."""

DEGREES = np.linspace(1, 2, 21)
"""Standard deviations of the clean leads that are taken off a prediction whose score lies one
standard deviation of the clean scores beyond them. Clean rows choose one; none is so small that a
few poisoned rows among them, which the model is right about by its trigger, could disarm the
defence."""

USUAL = 5.0
"""The degree to which the chosen one is drawn. It is higher than any: the fewer the rows, the less
their score tells a trigger, and the more has to be taken off to undo one."""

USUAL_ROWS = 160
"""Of so many clean rows the chosen degree and the usual one count alike."""

OTHER_CLASSES = 3.0
"""Of C classes the first logits are not taken off, so many times ``log(C - 1)``: found by trial on
AG News, which has four."""


def fit_suspicion(readout: Readout, run: CleanRun, unseen: CrossFitted, frr: float) -> Suspicion:
    """Fit on clean rows, each read by what was fitted without it.

    The degree is the largest at which they are answered right no less often than by the model,
    drawn to the usual one by as much as they are few: of few, one or two decide the choice, and
    their score tells less of a trigger. Both fall with their number n, so that the weights are as
    ``n^2`` to ``USUAL_ROWS^2``. Where the model is right about most of the clean rows that are
    flagged, little can be taken off; where it is right about half of them, much. Without labels
    the degree is the largest of ``DEGREES``.

    Args:
        readout: of the inner layers.
        run: of the clean rows.
        unseen: their scores and votes.
        frr: share of them that is flagged, 0 to 1.
    """
    start, classes = threshold_at(unseen.scores, BEYOND), run.logits.shape[1]
    usable = unseen.scores[np.isfinite(unseen.scores)]
    deviation = max(float(usable.std(dtype=np.float64)), LEAST_SPREAD)
    unit = float(readout.spread[0]) / deviation**2
    if run.labels is None:
        return _suspicion(start, float(DEGREES[-1]) * unit, classes)
    flagged = ~(unseen.scores <= np.float32(threshold_at(unseen.scores, frr)))
    right = run.logits.argmax(axis=1) == run.labels

    def loses_nothing(degree: float) -> bool:
        suspicion = _suspicion(start, degree * unit, classes)
        answers = purified(unseen.votes, run.logits, unseen.scores, suspicion)
        still_right = np.where(flagged, answers.argmax(axis=1) == run.labels, right)
        return int(still_right.sum()) >= int(right.sum())

    chosen = max(filter(loses_nothing, DEGREES), default=DEGREES[0])
    degree = np.average([chosen, USUAL], weights=[len(right) ** 2, USUAL_ROWS**2])
    return _suspicion(start, float(degree) * unit, classes)


def _suspicion(exceeded: float, rate: float, classes: int) -> Suspicion:
    """What is taken off for scores over the one that few clean rows exceed.

    A forced prediction leaves C - 1 classes that the text may have instead, so against any one of
    them the odds that the prediction was meant are C - 1 times as high: the first logits are not
    taken off, ``log(C - 1)`` times ``OTHER_CLASSES``.
    """
    return Suspicion(exceeded, rate, OTHER_CLASSES * math.log(max(classes - 1, 1)))
