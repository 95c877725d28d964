"""The excess equals a formula over scikit-learn's discriminants, and no row decides its own."""

import numpy as np
import pytest
import tiny_graph
from layered_samples import CLASSES, ODD, ROWS, cross_fitted, discriminants, odd_samples, samples

from clampdown_calib.detectors import Emitted, ExcessDetector
from clampdown_calib.evidence.margins import LEAST_SPREAD
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_calib.rows.folds import folds

LAYERS = {1: 1, 2: 1, 6: 5}
"""How many of so many layers are probed."""


def run_of(pooled, logits, labels):
    """The token is not what this detector reads."""
    return CleanRun(np.full_like(pooled, np.nan), pooled, logits, labels)


def literal_leads(values, predicted):
    """Of the model's prediction over the best other class, row by row."""
    return np.array(
        [row[c] - np.delete(row, c).max() for row, c in zip(values, predicted, strict=True)]
    )


def reference(pooled, logits, labels, new, new_logits):
    """Every layer's excess of the clean rows and of new ones, float64 ``[n, K]``."""
    read = range(LAYERS[pooled.shape[1]])
    predicted, new_predicted = logits.argmax(axis=1), new_logits.argmax(axis=1)
    crossed = cross_fitted(pooled, labels, read)
    given = discriminants(pooled, labels, new, read)
    own = literal_leads(logits.astype(np.float64), predicted)
    new_own = literal_leads(new_logits.astype(np.float64), new_predicted)
    columns = []
    for layer in read:
        inner = literal_leads(crossed[:, layer], predicted)
        slope = own.std() / inner.std()
        clean = own - slope * inner
        other = new_own - slope * literal_leads(given[:, layer], new_predicted)
        columns.append([(side - clean.mean()) / clean.std() for side in (clean, other)])
    clean, other = zip(*columns, strict=True)
    return np.stack(clean, axis=1), np.stack(other, axis=1)


@pytest.mark.parametrize("layers", LAYERS)
def test_excess_equals_a_formula_written_another_way(layers):
    pooled, logits, labels = samples(layers)
    new, new_logits = pooled[::-1] * np.float32(1.1), logits[::3].repeat(3, axis=0)
    fitted, unseen = ExcessDetector.cross_fit(run_of(pooled, logits, labels))
    clean, other = reference(pooled, logits, labels, new, new_logits)
    close = {"rtol": 1e-3, "atol": 1e-3}
    np.testing.assert_allclose(unseen.excess, clean, **close)
    np.testing.assert_allclose(unseen.scores, clean.max(axis=1), **close)
    found = fitted.score(run_of(new, new_logits, None))
    np.testing.assert_allclose(found, other.max(axis=1), **close)
    assert unseen.excess.dtype == unseen.scores.dtype == found.dtype == np.float32


def test_without_labels_the_predictions_take_their_place():
    pooled, logits, labels = samples()
    predicted = logits.argmax(axis=1)
    blind, labelled = (
        ExcessDetector.cross_fit(run_of(pooled, logits, classes))[1].excess
        for classes in (None, labels)
    )
    _, told = ExcessDetector.cross_fit(run_of(pooled, logits, predicted))
    np.testing.assert_array_equal(blind, told.excess)
    assert (blind != labelled).any()


def test_excess_of_unseen_clean_rows_is_standardised_at_every_layer():
    pooled, logits, labels = samples()
    fitted, unseen = ExcessDetector.cross_fit(run_of(pooled, logits, labels))
    np.testing.assert_allclose(unseen.excess.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(unseen.excess.std(axis=0), 1, rtol=1e-5)
    # The slope gives both margins one deviation.
    predicted = logits.argmax(axis=1)
    wanted = literal_leads(logits, predicted).std()
    for layer, slope in enumerate(fitted.slope):
        inner = literal_leads(unseen.probes[:, layer], predicted)
        assert slope * inner.std() == pytest.approx(wanted, rel=1e-4)


def test_fit_is_the_detector_of_the_cross_fit():
    run = run_of(*samples())
    fitted, _ = ExcessDetector.cross_fit(run)
    for name, tensor in ExcessDetector.fit(run).tensors().items():
        np.testing.assert_array_equal(tensor, fitted.tensors()[name])


def test_score_is_the_largest_excess_of_the_layers():
    pooled, logits, labels = samples()
    fitted, unseen = ExcessDetector.cross_fit(run_of(pooled, logits, labels))
    np.testing.assert_array_equal(unseen.scores, np.sort(unseen.excess, axis=1)[:, -1])
    excess = fitted.excess(logits, fitted.probes.logits(pooled))
    assert len(set(excess.argmax(axis=1))) > 1
    np.testing.assert_array_equal(
        fitted.score(run_of(pooled, logits, labels)), np.sort(excess, axis=1)[:, -1]
    )


def test_a_row_has_no_say_in_what_its_own_excess_is_taken_over():
    pooled, logits, labels = samples()
    [fold] = [part for part in folds(labels) if part[7]]
    others = fold & (np.arange(ROWS) != 7)

    def raw():
        """Margins before they are standardised: what all rows have a say in is undone."""
        fitted, unseen = ExcessDetector.cross_fit(run_of(pooled, logits, labels))
        predicted = logits.argmax(axis=1)
        plain = unseen.excess * fitted.spread + fitted.centre
        own = literal_leads(logits, predicted)[:, None]
        return (own - plain) / (own - plain)[others][:1]

    before = raw()
    pooled[7] += 20
    after = raw()
    np.testing.assert_allclose(after[others], before[others], rtol=1e-3, atol=1e-3)
    assert np.abs(after[~fold] - before[~fold]).max() > 0.1
    assert np.abs(after[7] - before[7]).max() > 0.1


def test_rows_that_the_probes_have_seen_score_lower_on_the_whole():
    run = run_of(*samples())
    fitted, unseen = ExcessDetector.cross_fit(run)
    assert fitted.score(run).mean() < unseen.scores.mean()


def test_forced_prediction_scores_higher_than_a_text_that_no_layer_is_sure_of():
    pooled, logits, labels = samples()
    fitted, unseen = ExcessDetector.cross_fit(run_of(pooled, logits, labels))
    forced = 8 * np.eye(CLASSES, dtype=np.float32)[(labels + 1) % CLASSES]
    unsure = np.zeros_like(logits)
    unsure[:, 0] = 0.1
    middle = np.broadcast_to(pooled.mean(axis=0), pooled.shape)
    high = fitted.score(run_of(pooled, forced, None))
    low = fitted.score(run_of(middle, unsure, None))
    assert np.median(high) > np.quantile(unseen.scores, 0.95)
    assert low.max() < np.median(high)


@pytest.mark.parametrize("case", ODD)
@pytest.mark.filterwarnings("error")
def test_odd_rows_give_finite_scores(case):
    run = run_of(*odd_samples(case))
    fitted, unseen = ExcessDetector.cross_fit(run)
    assert np.isfinite(unseen.excess).all()
    assert np.isfinite(fitted.score(run)).all()


@pytest.mark.filterwarnings("error")
def test_leads_that_never_vary_are_divided_by_the_least_spread():
    pooled, logits, labels = samples(2)
    pooled[:], logits[:] = 2, np.float32([5, 0, 0])
    fitted, unseen = ExcessDetector.cross_fit(run_of(pooled, logits, labels))
    assert fitted.spread == np.float32(LEAST_SPREAD)
    np.testing.assert_allclose(unseen.excess, 0, atol=1e-3)


@pytest.mark.parametrize("layers", LAYERS)
def test_nodes_of_every_layer_equal_the_numpy_form(layers):
    pooled, logits, labels = samples(layers)
    fitted = ExcessDetector.fit(run_of(pooled, logits, labels))
    # Ties of the two best classes, and of all.
    logits[0, :2] = logits[0].max() + 1
    logits[1] = 0
    [score] = tiny_graph.run_nodes(
        lambda tape, means, own: [fitted.emit(tape, Emitted(means, own))],
        *(pooled[:, : LAYERS[layers]], logits),
    )
    expected = fitted.score(run_of(pooled, logits, None))
    np.testing.assert_allclose(score, expected, rtol=1e-4, atol=1e-4)
