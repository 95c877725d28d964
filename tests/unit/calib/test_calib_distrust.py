"""A prediction is distrusted as far as clean rows allow, and no further."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from clampdown_calib.activations import CleanRun
from clampdown_calib.cross_fitting import CrossFitted
from clampdown_calib.distrust import DEGREES, OTHER_CLASSES, USUAL, USUAL_ROWS, fit_suspicion
from clampdown_calib.threshold import threshold_at
from clampdown_runtime import CalibrationError

READOUT = SimpleNamespace(spread=np.float32([2]))
FRR = 0.2


def clean_rows(rows: int = 400, *, right: float = 1.0, labels: bool = True):
    """Rows that the model gives class 0 by a lead of 12, and the votes by one of 6.

    Args:
        rows: how many.
        right: the share of them that it is right about.
        labels: whether they have any.
    """
    random = np.random.default_rng(0)
    truth = (np.arange(rows) >= right * rows).astype(np.int64)
    random.shuffle(truth)
    logits = np.tile(np.float32([12, 0]), (rows, 1))
    votes = np.tile(np.float32([6, 0]), (rows, 1))
    none = np.zeros((rows, 1, 1), np.float32)
    scores = random.normal(size=rows).astype(np.float32) * 3
    run = CleanRun(none, none, logits, truth if labels else None)
    return run, CrossFitted(scores, votes)


def degree_of(suspicion, scores):
    return suspicion.rate * scores.std() ** 2 / READOUT.spread[0]


def wrong(run, unseen, rate, start):
    """Share of rows whose answer is wrong, worked out row by row."""
    threshold = threshold_at(unseen.scores, FRR)
    count = 0
    for score, label in zip(unseen.scores, run.labels, strict=True):
        # Half of both leads against what is taken off.
        flips = score > threshold and rate * max(0, score - start) ** 2 > 9
        count += int(flips) != label
    return count / len(run.labels)


def test_the_largest_degree_is_taken_that_clean_rows_allow():
    run, unseen = clean_rows()
    found = fit_suspicion(READOUT, run, unseen, FRR)
    assert found.start == threshold_at(unseen.scores, 0.1)
    # Undo the pull towards the usual degree.
    own = (run.logits.argmax(axis=1) != run.labels).mean()
    many, few = len(run.labels) ** 2, USUAL_ROWS**2
    chosen = (degree_of(found, unseen.scores) * (many + few) - few * USUAL) / many
    unit = READOUT.spread[0] / unseen.scores.std() ** 2
    losses = [wrong(run, unseen, degree * unit, found.start) for degree in DEGREES]
    expected = max(d for d, loss in zip(DEGREES, losses, strict=True) if loss <= own)
    assert chosen == pytest.approx(expected, rel=1e-3)
    assert DEGREES[0] < expected < DEGREES[-1]


def test_where_the_model_is_wrong_about_half_of_the_rows_all_is_allowed():
    run, unseen = clean_rows(right=0.5)
    # Of those over the threshold none is right.
    run.labels[unseen.scores > threshold_at(unseen.scores, FRR)] = 1
    found = degree_of(fit_suspicion(READOUT, run, unseen, FRR), unseen.scores)
    many, few = 400**2, USUAL_ROWS**2
    expected = (many * DEGREES[-1] + few * USUAL) / (many + few)
    assert found == pytest.approx(expected, rel=1e-3)


def test_few_rows_stay_near_the_usual_degree():
    run, unseen = clean_rows(100)
    run.logits[:, 0] = 1
    many_run = CleanRun(
        run.hidden, run.pooled, np.tile(run.logits, (50, 1)), np.tile(run.labels, 50)
    )
    many_unseen = CrossFitted(np.tile(unseen.scores, 50), np.tile(unseen.votes, (50, 1)))
    few = degree_of(fit_suspicion(READOUT, run, unseen, FRR), unseen.scores)
    many = degree_of(fit_suspicion(READOUT, many_run, many_unseen, FRR), unseen.scores)
    assert many < USUAL - 0.1
    assert abs(few - USUAL) < 0.5 * abs(many - USUAL)


def test_without_labels_the_degree_is_the_largest():
    run, unseen = clean_rows(labels=False)
    found = fit_suspicion(READOUT, run, unseen, FRR)
    assert degree_of(found, unseen.scores) == pytest.approx(DEGREES[-1], rel=1e-4)
    assert {name: value.tolist() for name, value in found.tensors().items()} == {
        "suspicion.start": [np.float32(found.start)],
        "suspicion.rate": [np.float32(found.rate)],
        "suspicion.spared": [0],
    }


@pytest.mark.parametrize("labels", [True, False])
def test_of_more_classes_less_is_taken_off(labels):
    run, unseen = clean_rows(labels=labels)
    four = CleanRun(run.hidden, run.pooled, np.pad(run.logits, ((0, 0), (0, 2))), run.labels)
    votes = CrossFitted(unseen.scores, np.pad(unseen.votes, ((0, 0), (0, 2))))
    found = fit_suspicion(READOUT, four, votes, FRR)
    assert found.start == threshold_at(unseen.scores, 0.1)
    assert found.spared == pytest.approx(OTHER_CLASSES * math.log(3), rel=1e-4)


@pytest.mark.filterwarnings("error")
def test_suspicion_is_finite_whatever_single_scores_are():
    run, unseen = clean_rows(labels=False)
    unseen.scores[-2:] = np.inf, np.nan
    found = fit_suspicion(READOUT, run, unseen, FRR)
    assert found.rate == pytest.approx(DEGREES[-1] * 2 / unseen.scores[:-2].std() ** 2, rel=1e-4)
    unseen.scores[:] = 1
    assert np.isfinite(fit_suspicion(READOUT, run, unseen, FRR).rate)
    unseen.scores[:] = np.nan
    with pytest.raises(CalibrationError, match="not finite"):
        fit_suspicion(READOUT, run, unseen, FRR)
