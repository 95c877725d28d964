"""Moving a threshold: what is refused leaves the bundle as it was."""

import importlib

import numpy as np
import pytest

from clampdown_calib.tensor_file import tensor_bytes
from clampdown_exporter import move_threshold, verify
from clampdown_runtime import BundleError, CalibrationError, open_bundle


def ones(*shape):
    return np.ones(shape, np.float32)


KEPT = {
    **{"detector.weights": ones(1, 4, 2), "detector.bias": ones(1, 2)},
    **{f"detector.{name}": ones(1) for name in ("slope", "centre", "spread")},
    **{f"answer.{name}": ones(1) for name in ("log_odds", "sharpness")},
    **{f"latency.{name}": ones(1) for name in ("unflagged", "flagged")},
    "clean.changed": np.zeros(9, np.uint8),
    **{f"clean.{part}_scores": np.arange(9, dtype=np.float32) for part in ("fit", "held_out")},
}
"""Of a model with one layer and two classes, with nine clean rows."""


@pytest.fixture
def bundle(bundle_path, seal):
    path = bundle_path / "calibration.safetensors"
    path.write_bytes(tensor_bytes(KEPT, {"method": "probe"}))
    seal(bundle_path, detector="excess")
    return bundle_path


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"frr": 0.1, "value": 1.0},
        {"value": float("nan")},
        {"value": float("inf")},
        # A float32 cannot hold it: the graph would never flag anything.
        {"value": 1e39},
    ],
)
def test_not_one_finite_choice(bundle, choice):
    before = open_bundle(bundle).manifest
    with pytest.raises(CalibrationError, match="exactly one of the two, a finite float32"):
        move_threshold(bundle, **choice)
    assert open_bundle(bundle).manifest == before


def test_rate_that_the_kept_scores_cannot_hold(bundle):
    with pytest.raises(CalibrationError, match="found 9; expected at least 99 "):
        move_threshold(bundle, frr=0.01)


@pytest.mark.parametrize("metadata", [None, {"purification": "votes"}, {"method": "badacts"}])
def test_bundle_of_another_method(bundle, seal, metadata):
    (bundle / "calibration.safetensors").write_bytes(tensor_bytes(KEPT, metadata))
    seal(bundle)
    with pytest.raises(BundleError, match="found the method"):
        move_threshold(bundle, value=1.0)


def test_bundle_without_usable_tensors(bundle, seal):
    (bundle / "calibration.safetensors").write_bytes(b"nothing")
    seal(bundle)
    with pytest.raises(BundleError, match="found no safetensors"):
        move_threshold(bundle, value=1.0)


def test_path_may_be_a_string(bundle, monkeypatch):
    module = importlib.import_module("clampdown_exporter.bundle.move_threshold")

    def written(place, _graph, manifest, *_, **__):
        assert sorted(path.name for path in place.iterdir() if path.is_file()) == sorted(
            name for name in manifest.files if "/" not in name
        )
        return manifest

    monkeypatch.setattr(module, "write_measured", written)
    assert move_threshold(str(bundle), value=1.5).threshold == 1.5


def test_verify_takes_a_string(bundle):
    (bundle / "config.json").write_text("{ }")
    assert verify(str(bundle)) == ["config.json: has other contents than the manifest says"]


def test_damaged_bundle(bundle):
    (bundle / "config.json").write_text("{ }")
    with pytest.raises(BundleError, match=r"config.json \(different\)"):
        move_threshold(bundle, value=1.0)
