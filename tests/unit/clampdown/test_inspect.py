import numpy as np
import pytest
from safetensors.numpy import save_file

from clampdown import inspect_bundle
from clampdown_runtime import BundleError


@pytest.fixture
def with_intervals(bundle_path, seal):
    def write(method="badacts", **tensors):
        save_file(
            {name: np.array(values, np.float32) for name, values in tensors.items()},
            bundle_path / "calibration.safetensors",
            {"method": method},
        )
        seal(bundle_path)
        return bundle_path

    return write


def test_widths_sizes_and_manifest(with_intervals):
    bundle = with_intervals(lower=[[-1, 0, 1, 0]], upper=[[1, 1, 4, 10]])
    facts = inspect_bundle(bundle)
    [layer] = facts.widths
    assert (layer.layer, layer.smallest, layer.median, layer.largest) == (
        "encoder.layer.0",
        1,
        2.5,
        10,
    )
    assert facts.note is None
    assert facts.manifest.mode == "detect-then-purify"
    assert set(facts.sizes) == {*facts.manifest.files, "clampdown.json"}
    assert facts.sizes["onnx/model.onnx"] == (bundle / "onnx" / "model.onnx").stat().st_size


@pytest.mark.usefixtures("without_safetensors")
def test_without_safetensors_a_note_takes_the_place_of_the_widths(pristine):
    facts = inspect_bundle(pristine)
    assert facts.widths is None
    assert "clampdown[export]" in facts.note


def test_without_clipping_a_note_takes_the_place_of_the_widths(with_intervals):
    facts = inspect_bundle(with_intervals("probe", weights=[1]))
    assert facts.widths is None
    assert facts.note == (
        "flagged rows are answered with what the earlier layers say, nothing is clipped"
    )


@pytest.mark.parametrize(
    "tensors",
    [
        {"lower": [[0.0]]},
        {"weights": [1]},
        {"lower": [[0.0]] * 2, "upper": [[1.0]] * 2},
        {"lower": [0], "upper": [1]},
    ],
)
def test_other_tensors_are_refused(with_intervals, tensors):
    with pytest.raises(BundleError, match=r"`lower` and `upper` of 1 layers"):
        inspect_bundle(with_intervals(**tensors))


def test_a_file_that_is_not_safetensors_is_refused(pristine):
    with pytest.raises(BundleError, match=r"calibration\.safetensors"):
        inspect_bundle(pristine)


def test_a_changed_bundle_is_refused(bundle_path):
    (bundle_path / "report.html").write_text("other")
    with pytest.raises(BundleError, match=r"report\.html \(different\)"):
        inspect_bundle(bundle_path)
