"""Every clean row is read by what was fitted without it."""

import numpy as np
import pytest

from clampdown_calib.activations import CleanRun
from clampdown_calib.cross_fitting import CrossFitted
from clampdown_calib.detectors import DETECTORS
from clampdown_calib.folds import folds
from clampdown_calib.layer_votes import LayerVotes

ROWS = 60


@pytest.fixture(params=[True, False], ids=["labels", "no labels"])
def run(request):
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, ROWS)
    hidden, pooled = (rng.normal(size=(2, ROWS, 6, 8)) + labels[:, None, None]).astype(np.float32)
    logits = np.stack([-labels, labels], axis=1) + rng.normal(size=(ROWS, 2))
    return CleanRun(hidden, pooled, logits.astype(np.float32), labels if request.param else None)


@pytest.mark.parametrize("name", DETECTORS)
def test_the_fifth_that_is_left_out_is_read_by_the_rest(run, name):
    found = CrossFitted.fit(run, DETECTORS[name], None)
    for out in folds(run.classes):
        seen, unseen = run.rows(~out), run.rows(out)
        assert len(unseen.logits) == ROWS // 5
        readout, samples = seen.fit_readout()
        expected = DETECTORS[name].fit(samples).score(unseen.samples(readout))
        np.testing.assert_array_equal(found.scores[out], expected.astype(np.float32))
        votes = LayerVotes.fit(seen.pooled, seen.logits, seen.classes, None)
        np.testing.assert_array_equal(found.votes[out], votes.logits(unseen.pooled, unseen.logits))


@pytest.mark.parametrize("run", [True], indirect=True)
def test_a_row_has_no_say_in_its_own_score_and_votes(run):
    before = CrossFitted.fit(run, DETECTORS["fusion"], None)
    # What its fold was read by has not seen it, and cannot change with it.
    run.hidden[7] += 1
    run.pooled[7] -= 1
    after = CrossFitted.fit(run, DETECTORS["fusion"], None)
    [fold] = [part for part in folds(run.classes) if part[7]]
    others = fold & (np.arange(ROWS) != 7)
    np.testing.assert_array_equal(before.scores[others], after.scores[others])
    np.testing.assert_array_equal(before.votes[others], after.votes[others])
    assert (before.votes[~fold] != after.votes[~fold]).any()
    assert before.scores[7] != after.scores[7]


def test_rows_that_a_detector_has_seen_score_lower(run):
    readout, samples = run.fit_readout()
    seen = DETECTORS["mahalanobis"].fit(samples).score(run.samples(readout))
    assert CrossFitted.fit(run, DETECTORS["mahalanobis"], None).scores.mean() > seen.mean()
