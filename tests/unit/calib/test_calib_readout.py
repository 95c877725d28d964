"""The readout equals discriminants of scikit-learn, and what is taken off a prediction is shown."""

import numpy as np
import pytest
import tiny_models
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from clampdown_calib.margins import lead, margin
from clampdown_calib.readout import (
    FOLDS,
    SHRINKAGE,
    Readout,
    Suspicion,
    emit_purified,
    inner_layers,
    purified,
)
from clampdown_calib.threshold import threshold_at
from clampdown_runtime import CalibrationError

ROWS, WIDTH, CLASSES = 150, 8, 3
READ = {1: [0], 2: [0], 3: [1], 6: [2, 3, 4], 12: [4, 5, 6, 7, 8, 9, 10]}
"""The layers that are read of so many."""


def samples(layers: int = 6):
    """Token means, logits of a model that is right on most rows, and labels.

    Every fold has as many rows of each class: scikit-learn weighs the classes' covariances by
    their priors, which are alike, and the readout by their rows.
    """
    random = np.random.default_rng(layers)
    labels = np.arange(ROWS) // FOLDS % CLASSES
    mix = random.normal(size=(layers, WIDTH, WIDTH))
    centres = random.normal(size=(CLASSES, layers, WIDTH)) * 2
    pooled = np.einsum("nlh,lhk->nlk", random.normal(size=(ROWS, layers, WIDTH)), mix)
    logits = random.normal(size=(ROWS, CLASSES)) * 2 + 4 * np.eye(CLASSES)[labels]
    return (pooled + centres[labels] + 5).astype(np.float32), logits.astype(np.float32), labels


def discriminants(clean, labels, unseen, layers):
    """Mean over the layers of scikit-learn's discriminants."""
    found = []
    for layer in layers:
        model = LinearDiscriminantAnalysis(
            solver="lsqr", shrinkage=SHRINKAGE, priors=np.full(CLASSES, 1 / CLASSES)
        )
        model.fit(clean[:, layer].astype(np.float64), labels)
        found.append(model.decision_function(unseen[:, layer].astype(np.float64)))
    return np.mean(found, axis=0)


def centred(logits):
    """Without what is common to a row's classes, which decides nothing."""
    return logits - logits.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("layers", READ)
def test_readout_equals_scikit_learn_on_the_second_half_of_the_layers_without_the_last(layers):
    pooled, logits, labels = samples(layers)
    unseen, _, _ = samples(layers)
    unseen = unseen[::-1] * np.float32(1.1)
    fold = np.arange(ROWS) % FOLDS
    crossed = np.empty((ROWS, CLASSES))
    for index in range(FOLDS):
        rest = fold != index
        crossed[~rest] = discriminants(pooled[rest], labels[rest], pooled[~rest], READ[layers])
    predicted = logits.argmax(axis=1)
    scale = margin(logits).std() / lead(crossed, predicted).std()

    fitted, inner = Readout.fit(pooled, logits, labels)
    expected = scale * discriminants(pooled, labels, unseen, READ[layers])
    close = {"rtol": 1e-3, "atol": 1e-3}
    np.testing.assert_allclose(centred(fitted.logits(unseen)), centred(expected), **close)
    np.testing.assert_allclose(centred(inner), centred(scale * crossed), **close)
    assert fitted.logits(unseen).dtype == inner.dtype == np.float32


@pytest.mark.parametrize("layers", READ)
def test_inner_layers(layers):
    assert list(range(layers))[inner_layers(layers)] == READ[layers]


def test_leads_vary_as_much_as_the_models_own():
    pooled, logits, labels = samples()
    for factor in (1, 10):
        fitted, inner = Readout.fit(pooled, logits * np.float32(factor), labels)
        own = margin(logits * np.float32(factor)).std()
        assert lead(inner, logits.argmax(axis=1)).std() == pytest.approx(own, rel=1e-4)
        assert fitted.spread == pytest.approx(own, rel=1e-4)


def test_row_takes_no_part_in_its_own_cross_fitted_logits():
    pooled, logits, labels = samples()
    row = 7
    changed = labels.copy()
    changed[row] = (labels[row] + 1) % CLASSES

    def of_row(labels):
        fitted, inner = Readout.fit(pooled, logits, labels)
        both = centred(fitted.logits(pooled))[row], centred(inner)[row]
        # The common scale is taken from all rows.
        return [values / np.linalg.norm(values) for values in both]

    (seen, unseen), (seen_changed, unseen_changed) = of_row(labels), of_row(changed)
    np.testing.assert_allclose(unseen, unseen_changed, atol=1e-5)
    assert np.abs(seen - seen_changed).max() > 1e-3


def test_without_labels_the_predictions_stand_for_them():
    pooled, logits, labels = samples()
    fitted, inner = Readout.fit(pooled, logits, None)
    of_predictions, same = Readout.fit(pooled, logits, logits.argmax(axis=1))
    np.testing.assert_array_equal(fitted.weights, of_predictions.weights)
    np.testing.assert_array_equal(inner, same)
    of_labels, _ = Readout.fit(pooled, logits, labels)
    assert np.abs(fitted.weights - of_labels.weights).max() > 1e-3


def test_class_without_a_row_lies_at_the_centre_of_the_others():
    pooled, logits, labels = samples()
    # Of one of the two there are fewer rows: the centre is that of the means, not of the rows.
    two = (labels == 2) | ((labels == 0) & (np.arange(ROWS) % 2 == 0))
    fitted, inner = Readout.fit(pooled[two], logits[two], labels[two])
    assert not fitted.weights[..., 1].any()
    assert fitted.bias[1] == 0
    np.testing.assert_allclose(fitted.weights.sum(axis=2), 0, atol=1e-5)
    found = fitted.logits(pooled[two])
    assert (found[:, [0, 2]].argmax(axis=1) * 2 == labels[two]).mean() > 0.9
    assert np.isfinite(inner).all()


@pytest.mark.parametrize("case", ["one row of a class", "one class", "still neurons"])
@pytest.mark.filterwarnings("error")
def test_odd_rows_give_finite_logits(case):
    pooled, logits, labels = samples()
    if case == "one row of a class":
        labels = np.where(np.arange(ROWS) == 3, 1, 0)
    elif case == "one class":
        labels = np.zeros_like(labels)
    else:
        pooled[:] = 2
    fitted, inner = Readout.fit(pooled, logits, labels)
    assert np.isfinite(fitted.logits(pooled)).all()
    assert np.isfinite(inner).all()


@pytest.mark.parametrize("layers", READ)
@pytest.mark.parametrize("rows", [1, 20])
def test_nodes_equal_the_numpy_form(layers, rows):
    pooled, logits, labels = samples(layers)
    fitted, _ = Readout.fit(pooled, logits, labels)
    found = tiny_models.run_nodes(
        lambda tape, given: [fitted.emit(tape, given, layers)], pooled[:rows], shape=(CLASSES,)
    )
    np.testing.assert_allclose(found[0], fitted.logits(pooled[:rows]), rtol=1e-4, atol=1e-4)


# --- what is taken off the model's own prediction ------------------------------------------------

SUSPICION = Suspicion(start=1.5, slope=2.0)
SCORES = np.float32([-3, 0, 1.5, 1.75, 4, 100])


def answers(rows: int = len(SCORES)):
    """The readout's logits and the model's, of which the two largest of row 4 tie."""
    random = np.random.default_rng(0)
    inner, logits = random.normal(size=(2, rows, CLASSES)).astype(np.float32)
    logits[4, 1:] = logits[4].max() + 1
    return inner, logits


def test_only_the_predicted_class_is_lowered_and_only_beyond_the_start():
    inner, logits = answers()
    before = inner.copy()
    found = purified(inner, logits, SCORES, SUSPICION)
    for row, taken in enumerate([0, 0, 0, 0.5, 5, 197]):
        expected = (2 * before[row] + logits[row]) / 3
        expected[1 if row == 4 else logits[row].argmax()] -= taken
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)
    np.testing.assert_array_equal(inner, before)
    assert found.dtype == np.float32


def test_nothing_is_taken_off_until_it_is_fitted():
    inner, logits = answers()
    found = purified(inner, logits, SCORES, Suspicion.nothing())
    np.testing.assert_allclose(found, (2 * inner + logits) / 3, rtol=1e-5)


def test_nodes_of_the_purified_logits_equal_the_numpy_form():
    inner, logits = answers(len(SCORES) + 3)
    # Scores that are not finite leave no number, there as here.
    scores = np.concatenate([SCORES, np.float32([np.inf, -np.inf, np.nan])])
    found = tiny_models.run_nodes(
        lambda tape, *given: [emit_purified(tape, *given, SUSPICION)],
        *(inner, logits, scores),
        shape=(CLASSES,),
    )
    expected = purified(inner, logits, scores, SUSPICION)
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
