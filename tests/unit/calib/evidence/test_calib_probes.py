"""The probes equal discriminants of scikit-learn times a temperature, layer by layer."""

import numpy as np
import pytest
import tiny_graph
from layered_samples import CLASSES, ODD, ROWS, cross_fitted, discriminants, odd_samples, samples
from scipy.optimize import brentq
from scipy.special import softmax

from clampdown_calib.evidence.discriminants import cross_fitted as discriminants_unseen
from clampdown_calib.evidence.discriminants import discriminants as discriminants_seen
from clampdown_calib.evidence.probes import Probes, probed_layers
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_calib.rows.folds import folds

PROBED = {1: 1, 2: 1, 3: 2, 6: 5, 12: 11}
"""How many of so many layers are probed."""


def run_of(pooled, logits, labels):
    """The token is not what probes read."""
    return CleanRun(np.full_like(pooled, np.nan), pooled, logits, labels)


def centred(logits):
    """Without what is common to a row's classes, which decides nothing."""
    return logits - logits.mean(axis=-1, keepdims=True)


def temperature(logits, labels):
    """Where the derivative of the mean cross-entropy is zero."""

    def slope(factor):
        expected = (softmax(logits * factor, axis=1) * logits).sum(axis=1)
        return (expected - logits[np.arange(len(labels)), labels]).mean()

    return brentq(slope, 1e-3, 1e2, rtol=1e-9)


@pytest.mark.parametrize("layers", PROBED)
def test_probed_layers_are_all_but_the_last(layers):
    assert probed_layers(layers) == PROBED[layers]


@pytest.mark.parametrize("layers", PROBED)
def test_probes_equal_scikit_learn_at_a_temperature(layers):
    pooled, logits, labels = samples(layers)
    new = pooled[::-1] * np.float32(1.1)
    read = range(PROBED[layers])
    crossed = cross_fitted(pooled, labels, read)
    factors = [temperature(crossed[:, layer], labels) for layer in read]
    scales = np.array(factors)[:, None]

    fitted, unseen = Probes.fit(run_of(pooled, logits, labels))
    close = {"rtol": 1e-3, "atol": 1e-3}
    expected = scales * discriminants(pooled, labels, new, read)
    np.testing.assert_allclose(centred(fitted.logits(new)), centred(expected), **close)
    np.testing.assert_allclose(centred(unseen), centred(scales * crossed), **close)
    assert fitted.logits(new).dtype == unseen.dtype == np.float32
    assert unseen.shape == (ROWS, PROBED[layers], CLASSES)


def test_probes_learn_the_labels_and_without_them_the_predictions():
    pooled, logits, labels = samples()
    predicted = logits.argmax(axis=1)
    assert (predicted != labels).any()
    blind, _ = Probes.fit(run_of(pooled, logits, None))
    for classes, same in ((predicted, True), (labels, False)):
        fitted, _ = Probes.fit(run_of(pooled, logits, classes))
        assert np.array_equal(fitted.weights, blind.weights) == same


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


def test_a_row_moves_those_of_its_fold_by_the_temperature_alone():
    pooled, logits, labels = samples()
    _, before = Probes.fit(run_of(pooled, logits, labels))
    [fold] = [part for part in folds(labels) if part[7]]
    others = fold & (np.arange(ROWS) != 7)
    pooled[7] += 20
    _, after = Probes.fit(run_of(pooled, logits, labels))
    ratios = after[others] / before[others]
    layers = ratios.reshape(-1, *before.shape[1:]).transpose(1, 0, 2).reshape(before.shape[1], -1)
    np.testing.assert_allclose(layers, layers[:, :1].repeat(layers.shape[1], 1), rtol=1e-4)
    of_rest = after[~fold] / before[~fold]
    assert np.ptp(of_rest, axis=0).min() > 0.01


def test_class_without_a_row_lies_at_the_centre_of_the_others():
    pooled, logits, labels = samples()
    # Of one of the two there are fewer rows: the centre is that of the means, not of the rows.
    two = (labels == 2) | ((labels == 0) & (np.arange(ROWS) % 2 == 0))
    fitted, unseen = Probes.fit(run_of(pooled[two], logits[two], labels[two]))
    assert not fitted.weights[..., 1].any()
    assert not fitted.bias[:, 1].any()
    np.testing.assert_allclose(fitted.weights.sum(axis=2), 0, atol=1e-5)
    found = fitted.logits(pooled[two])
    assert (found[..., [0, 2]].argmax(axis=2) * 2 == labels[two, None]).mean(axis=0).min() > 0.9
    assert np.isfinite(unseen).all()


@pytest.mark.parametrize("case", ODD)
@pytest.mark.filterwarnings("error")
def test_odd_rows_give_finite_logits(case):
    pooled, logits, labels = odd_samples(case)
    fitted, unseen = Probes.fit(run_of(pooled, logits, labels))
    assert np.isfinite(fitted.logits(pooled)).all()
    assert np.isfinite(unseen).all()


@pytest.mark.parametrize("layers", PROBED)
@pytest.mark.parametrize("rows", [1, 20])
def test_nodes_equal_the_numpy_form(layers, rows):
    pooled, logits, labels = samples(layers)
    fitted, _ = Probes.fit(run_of(pooled, logits, labels))
    found = tiny_graph.run_nodes(
        lambda tape, given: [fitted.emit(tape, given)],
        pooled[:rows, : PROBED[layers]],
        shape=(PROBED[layers], CLASSES),
    )
    np.testing.assert_allclose(found[0], fitted.logits(pooled[:rows]), rtol=1e-4, atol=1e-4)
