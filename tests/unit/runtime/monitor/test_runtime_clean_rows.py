"""What a bundle keeps of its clean rows, against the package safetensors."""

import numpy as np
import pytest
from safetensors.numpy import load_file, save

from clampdown_runtime import BundleError, open_bundle
from clampdown_runtime.monitor import clean_changed
from clampdown_runtime.monitor.clean_rows import clean_scores

SCORES = np.float32([0, 3, 1, 5, np.inf, np.nan])
CHANGED = np.uint8([1, 1, 0, 0, 1, 1])


@pytest.fixture
def bundle(bundle_path, seal):
    """With a threshold of 2."""

    def make(mode="detect-then-purify", scores=SCORES, changed=CHANGED):
        tensors = {"clean.held_out_scores": scores, "clean.changed": changed}
        (bundle_path / "calibration.safetensors").write_bytes(save(tensors))
        seal(bundle_path, mode=mode)
        return open_bundle(bundle_path)

    return make


def test_scores_are_the_finite_ones_in_order(bundle):
    opened = bundle()
    stored = load_file(opened.calibration_path)["clean.held_out_scores"]
    np.testing.assert_array_equal(clean_scores(opened), np.sort(stored[np.isfinite(stored)]))


@pytest.mark.parametrize(
    ("mode", "share"), [("detect", 0), ("detect-then-purify", 3 / 6), ("purify", 4 / 6)]
)
def test_changed_rows_are_those_that_the_mode_purifies(bundle, mode, share):
    # Scores that are not finite are over the threshold of 2.
    assert clean_changed(bundle(mode)) == share


def test_of_many_labels_one_that_differs_is_a_change(bundle):
    many = np.stack([CHANGED, np.uint8([0, 0, 0, 1, 1, 0])], axis=1)
    assert clean_changed(bundle(changed=many)) == 4 / 6


@pytest.mark.parametrize("changed", [CHANGED[:4], CHANGED.astype(np.float16)])
def test_what_cannot_be_held_against_the_scores_is_refused(bundle, changed):
    with pytest.raises(BundleError, match="no clean scores that can be read"):
        clean_changed(bundle(changed=changed))
