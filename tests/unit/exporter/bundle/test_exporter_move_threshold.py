"""Moving a threshold: what is refused leaves the bundle as it was."""

import importlib

import numpy as np
import pytest

from clampdown_calib.tensor_file import tensor_bytes
from clampdown_exporter import move_threshold, verify
from clampdown_runtime import BundleError, CalibrationError, open_bundle


@pytest.fixture
def bundle(bundle_path, seal):
    """Nine clean scores and no more."""
    scores = {"clean.held_out_scores": np.arange(9, dtype=np.float32)}
    (bundle_path / "calibration.safetensors").write_bytes(tensor_bytes(scores, {"method": "probe"}))
    seal(bundle_path)
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


@pytest.mark.parametrize("content", ["none", "bytes", "no metadata", "other metadata"])
def test_bundle_without_usable_scores(bundle, seal, content):
    path = bundle / "calibration.safetensors"
    if content == "none":
        path.write_bytes(tensor_bytes({"lower": np.zeros(1)}, {"method": "probe"}))
    elif content == "bytes":
        path.write_bytes(b"nothing")
    else:
        other = {"purification": "votes"} if content == "other metadata" else None
        path.write_bytes(tensor_bytes({"clean.held_out_scores": np.zeros(9, np.float32)}, other))
    seal(bundle)
    with pytest.raises(BundleError, match="no usable clean scores"):
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
