"""The factor that logits are sharpened by is that of the least cross-entropy."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import softmax
from sklearn.metrics import log_loss

from clampdown_calib.evidence.temperature import SHARPEST, inverse_temperature


def rows(classes: int, right: float, *, size: float = 1.0):
    """Noisy logits of 300 rows, about the share ``right`` of them right, by a margin of 3."""
    random = np.random.default_rng(classes)
    labels = random.integers(0, classes, 300)
    said = np.where(random.random(300) < right, labels, (labels + 1) % classes)
    logits = random.normal(size=(300, classes)) + 3 * np.eye(classes)[said]
    return (logits * size).astype(np.float32), labels


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("right", [0.6, 0.9])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_no_other_factor_has_a_smaller_cross_entropy(classes, right, size):
    logits, labels = rows(classes, right, size=size)
    exact = logits.astype(np.float64)
    found = inverse_temperature(logits, labels)

    def loss(factor):
        return log_loss(labels, softmax(exact * factor, axis=1), labels=range(classes))

    def slope(factor):
        expected = (softmax(exact * factor, axis=1) * exact).sum(axis=1)
        return (expected - exact[np.arange(len(labels)), labels]).mean()

    tried = np.geomspace(1e-2, 1e2, 81) / size
    losses = [loss(factor) for factor in tried]
    best = int(np.argmin(losses))
    assert 0 < best < len(tried) - 1
    assert loss(found) <= losses[best]
    assert tried[best - 1] < found < tried[best + 1]
    assert found == pytest.approx(brentq(slope, tried[0], tried[-1], rtol=1e-9), rel=1e-3)


def test_sharper_logits_ask_for_a_smaller_factor():
    logits, labels = rows(3, 0.8)
    plain = inverse_temperature(logits, labels)
    assert inverse_temperature(logits * 8, labels) == pytest.approx(plain / 8, rel=1e-4)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_rows_that_are_all_right_or_all_wrong_give_a_finite_factor(size):
    # Whose deviation is their size.
    logits = np.float32([[2, 0], [0, 2], [2, 0], [0, 2]]) * np.float32(size)
    right = inverse_temperature(logits, np.array([0, 1, 0, 1]))
    wrong = inverse_temperature(logits, np.array([1, 0, 1, 0]))
    assert right * size <= SHARPEST * 1.001
    # Beyond that, float64 tells no chance from 1.
    assert softmax(logits.astype(np.float64) * right, axis=1).max(axis=1).min() > 1 - 1e-12
    assert wrong * size == pytest.approx(1 / SHARPEST, rel=1e-3)


@pytest.mark.filterwarnings("error")
def test_logits_that_are_all_alike_give_a_finite_factor():
    assert np.isfinite(inverse_temperature(np.zeros((9, 3), np.float32), np.arange(9) % 3))
