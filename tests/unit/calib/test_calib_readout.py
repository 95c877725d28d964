"""The readout equals discriminants of scikit-learn."""

import numpy as np
import pytest
import tiny_models
from layered_samples import CLASSES, ODD, ROWS, cross_fitted, discriminants, odd_samples, samples

from clampdown_calib.discriminants import cross_fitted as discriminants_unseen
from clampdown_calib.discriminants import discriminants as discriminants_seen
from clampdown_calib.margins import lead
from clampdown_calib.readout import Readout, inner_layers

READ = {1: [0], 2: [0], 3: [1], 6: [2, 3, 4], 12: [4, 5, 6, 7, 8, 9, 10]}
"""The layers that are read of so many."""


def centred(logits):
    """Without what is common to a row's classes, which decides nothing."""
    return logits - logits.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("layers", READ)
def test_readout_equals_scikit_learn_on_the_second_half_of_the_layers_without_the_last(layers):
    pooled, logits, labels = samples(layers)
    unseen, _, _ = samples(layers)
    unseen = unseen[::-1] * np.float32(1.1)
    crossed = cross_fitted(pooled, labels, READ[layers]).mean(axis=1)
    predicted = logits.argmax(axis=1)
    scale = lead(logits, logits.argmax(axis=1)).std() / lead(crossed, predicted).std()

    fitted, inner = Readout.fit(pooled, logits, labels)
    expected = scale * discriminants(pooled, labels, unseen, READ[layers]).mean(axis=1)
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
        own = lead(logits * np.float32(factor), logits.argmax(axis=1)).std()
        assert lead(inner, logits.argmax(axis=1)).std() == pytest.approx(own, rel=1e-4)
        assert fitted.spread == pytest.approx(own, rel=1e-4)


def test_row_takes_no_part_in_its_own_cross_fitted_logits():
    pooled, _, labels = samples()
    row, away = 7, np.zeros_like(pooled, dtype=np.float64)
    away[row] = np.random.default_rng(0).normal(size=away[row].shape) * 50

    def of_row(steps):
        unseen = discriminants_unseen(pooled + steps * away, labels, CLASSES)[row]
        weights, bias = discriminants_seen(pooled + steps * away, labels, CLASSES)
        return unseen, np.einsum("lh,lhc->lc", pooled[row] + steps * away[row], weights) + bias

    # What is fitted without the row stays as it is when the row moves: its logits are linear in it.
    unseen, seen = zip(*map(of_row, range(3)), strict=True)
    np.testing.assert_allclose(unseen[2] - unseen[1], unseen[1] - unseen[0], rtol=1e-6, atol=1e-6)
    assert np.abs((seen[2] - seen[1]) - (seen[1] - seen[0])).max() > 1


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


@pytest.mark.parametrize("case", ODD)
@pytest.mark.filterwarnings("error")
def test_odd_rows_give_finite_logits(case):
    pooled, logits, labels = odd_samples(case)
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
