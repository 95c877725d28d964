"""What is taken off the model's own prediction is what was asked for, and no more."""

import numpy as np
import tiny_models
from layered_samples import CLASSES

from clampdown_calib.purified_logits import Suspicion, emit_purified, purified

SUSPICION = Suspicion(start=1.5, rate=2.0, spared=0.25)
SCORES = np.float32([-3, 0, 1.5, 1.75, 2.5, 4, 100])


def answers(rows: int = len(SCORES)):
    """The votes' logits and the model's, of which the two largest of row 4 tie."""
    random = np.random.default_rng(0)
    votes, logits = random.normal(size=(2, rows, CLASSES)).astype(np.float32)
    logits[4, 1:] = logits[4].max() + 1
    return votes, logits


def test_only_the_predicted_class_is_lowered_by_the_square_of_what_lies_beyond():
    votes, logits = answers()
    before = votes.copy()
    found = purified(votes, logits, SCORES, SUSPICION)
    for row, taken in enumerate([0, 0, 0, 0, 1.75, 12.25, 19404.25]):
        expected = (before[row] + logits[row]) / 2
        expected[1 if row == 4 else logits[row].argmax()] -= taken
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)
    np.testing.assert_array_equal(votes, before)
    assert found.dtype == np.float32


def test_nothing_is_taken_off_until_it_is_fitted():
    votes, logits = answers()
    found = purified(votes, logits, SCORES, Suspicion.nothing())
    np.testing.assert_allclose(found, (votes + logits) / 2, rtol=1e-5)


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
