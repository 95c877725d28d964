"""What a calibration gives: the reading of a mode, and what a bundle keeps."""

from typing import get_args

import numpy as np
import pytest
from calibration_samples import calibration

from clampdown_calib import Method
from clampdown_calib.badacts.intervals import Intervals


def test_widths_are_upper_less_lower():
    widths = Intervals(np.float32([[1, 2]]), np.float32([[4, 2]])).widths
    assert widths.tolist() == [[3, 0]]


@pytest.mark.parametrize("method", get_args(Method))
def test_scores_of_purify_mode_are_those_of_the_clipped_run(method):
    fitted = calibration(method)
    plain, clipped = (fitted.reading(mode) for mode in ("detect-then-purify", "purify"))
    assert (plain is clipped) == (method == "probe")
    assert fitted.reading("detect") is plain
    tensors = fitted.fitted_tensors("purify")
    for name, tensor in clipped.detector.tensors().items():
        np.testing.assert_array_equal(tensors[f"detector.{name}"], tensor)


def test_what_a_bundle_keeps_of_the_clean_rows():
    kept = {name: tensor.tolist() for name, tensor in calibration().clean_tensors("purify").items()}
    assert kept == {
        "clean.fit_scores": [0.5],
        "clean.held_out_scores": [1.5],
        # Class 1 became 0, and the row's label is 2.
        "clean.changed": [1],
        "clean.correct_undefended": [0],
        "clean.correct_purified": [0],
    }
