"""How far numbers are from those that they should be."""

import numpy as np
import pytest

from clampdown_calib.difference import largest_difference


def test_what_is_not_finite_on_both_sides_agrees():
    odd = np.array([np.nan, np.inf, 1], np.float32)
    assert largest_difference(odd, odd) == 0
    assert largest_difference(odd, np.array([np.nan, 2, 1], np.float32)) == np.inf


def test_difference_is_relative_to_the_larger_of_the_value_and_1():
    expected = np.array([1000, 0.001], np.float32)
    found = np.array([1001, 0.001], np.float32)
    assert largest_difference(found, expected) == pytest.approx(1e-3)
    assert largest_difference(expected + np.float32([0, 0.5]), expected) == pytest.approx(0.5)
