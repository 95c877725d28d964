"""What is taken off the model's own prediction is what was asked for, and no more."""

import numpy as np
import pytest
import tiny_models
from layered_samples import CLASSES, samples

from clampdown_calib.margins import margin
from clampdown_calib.purified_logits import Suspicion, emit_purified, purified
from clampdown_calib.readout import Readout
from clampdown_calib.threshold import threshold_at
from clampdown_runtime import CalibrationError

SUSPICION = Suspicion(start=1.5, slope=2.0)
SCORES = np.float32([-3, 0, 1.5, 1.75, 4, 100])


def answers(rows: int = len(SCORES)):
    """The votes' logits and the model's, of which the two largest of row 4 tie."""
    random = np.random.default_rng(0)
    votes, logits = random.normal(size=(2, rows, CLASSES)).astype(np.float32)
    logits[4, 1:] = logits[4].max() + 1
    return votes, logits


def test_only_the_predicted_class_is_lowered_and_only_beyond_the_start():
    votes, logits = answers()
    before = votes.copy()
    found = purified(votes, logits, SCORES, SUSPICION)
    for row, taken in enumerate([0, 0, 0, 0.5, 5, 197]):
        expected = (2 * before[row] + logits[row]) / 3
        expected[1 if row == 4 else logits[row].argmax()] -= taken
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)
    np.testing.assert_array_equal(votes, before)
    assert found.dtype == np.float32


def test_nothing_is_taken_off_until_it_is_fitted():
    votes, logits = answers()
    found = purified(votes, logits, SCORES, Suspicion.nothing())
    np.testing.assert_allclose(found, (2 * votes + logits) / 3, rtol=1e-5)


def test_nodes_of_the_purified_logits_equal_the_numpy_form():
    votes, logits = answers(len(SCORES) + 3)
    # Scores that are not finite leave no number, there as here.
    scores = np.concatenate([SCORES, np.float32([np.inf, -np.inf, np.nan])])
    found = tiny_models.run_nodes(
        lambda tape, *given: [emit_purified(tape, *given, SUSPICION)],
        *(votes, logits, scores),
        shape=(CLASSES,),
    )
    expected = purified(votes, logits, scores, SUSPICION)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    assert np.isnan(expected[-1]).all()


def test_suspicion_starts_beyond_most_clean_rows_and_is_on_the_scale_of_leads_and_scores():
    pooled, logits, labels = samples()
    readout, _ = Readout.fit(pooled, logits, labels)
    scores = np.random.default_rng(0).normal(size=400).astype(np.float32) * 3
    fitted = Suspicion.fit(readout, scores)
    assert fitted.start == threshold_at(scores, 0.05)
    assert fitted.slope == pytest.approx(1.5 * margin(logits).std() / scores.std(), rel=1e-4)
    assert {name: value.tolist() for name, value in fitted.tensors().items()} == {
        "suspicion.start": [np.float32(fitted.start)],
        "suspicion.slope": [np.float32(fitted.slope)],
    }


@pytest.mark.filterwarnings("error")
def test_suspicion_is_finite_whatever_single_scores_are():
    readout = tiny_models.readout()
    scores = np.arange(100, dtype=np.float32)
    plain = Suspicion.fit(readout, scores[:98])
    scores[-2:] = np.inf, np.nan
    fitted = Suspicion.fit(readout, scores)
    assert fitted.slope == pytest.approx(plain.slope)
    assert np.isfinite(Suspicion.fit(readout, np.ones(50, np.float32)).slope)
    with pytest.raises(CalibrationError, match="not finite"):
        Suspicion.fit(readout, np.full(50, np.nan, np.float32))
