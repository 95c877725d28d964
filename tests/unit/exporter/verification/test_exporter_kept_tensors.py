"""What a bundle keeps of its calibration has to be what its graph is made of."""

import json
import shutil

import numpy as np
import onnx
import pytest
import tiny_transformers

from clampdown_calib import FitOptions
from clampdown_calib.fit import fit
from clampdown_calib.tensor_file import read_tensors, tensor_bytes
from clampdown_exporter import ExportOptions, move_threshold, verify
from clampdown_exporter.run_export import write_bundle
from clampdown_runtime import BundleError
from clampdown_runtime.bundle.digests import file_digest

WAYS = ("probe-detect-then-purify", "badacts-detect-then-purify", "badacts-purify")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("kept")
    tiny_transformers.save_model(place / "model")
    texts = tiny_transformers.texts(120)
    rows = [json.dumps({"text": text, "label": len(text) % 2}) for text in texts]
    (place / "clean.jsonl").write_text("\n".join(rows))
    for way in WAYS:
        method, _, mode = way.partition("-")
        options = FitOptions(method=method, epochs=1 if method == "badacts" else None)
        fitted = fit(place / "model", place / "clean.jsonl", options)
        write_bundle(fitted, place / way, ExportOptions(mode))
    return place


@pytest.fixture
def changed(made, tmp_path, seal):
    """A copy of a bundle with other tensors, and digests that fit, that in its graph among them."""

    def change(way="probe-detect-then-purify", metadata=None, **changes):
        bundle = tmp_path / way
        shutil.copytree(made / way, bundle)
        path = bundle / "calibration.safetensors"
        tensors, kept = read_tensors(path.read_bytes())
        for name, new in changes.items():
            tensors[name] = new(tensors[name]) if callable(new) else new
        tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        path.write_bytes(tensor_bytes(tensors, kept if metadata is None else metadata))
        graph = onnx.load(bundle / "onnx" / "model.onnx")
        [digest] = [p for p in graph.metadata_props if p.key == "clampdown.calibration_digest"]
        digest.value = file_digest(path)
        onnx.save(graph, bundle / "onnx" / "model.onnx")
        seal(bundle)
        return bundle

    return change


@pytest.mark.parametrize("way", WAYS)
def test_what_an_export_writes_is_what_its_graph_is_made_of(made, way):
    assert verify(made / way) == []


def nudged(tensor):
    """One number of it, by the least that there is."""
    other = tensor.copy()
    other.flat[-1] = np.nextafter(other.flat[-1], np.float32(np.inf))
    return other


@pytest.mark.parametrize(
    ("way", "name"),
    [
        *(
            (WAYS[0], name)
            for name in (
                *(f"detector.{part}" for part in ("weights", "bias", "slope", "centre", "spread")),
                "answer.log_odds",
                "answer.sharpness",
            )
        ),
        *((way, name) for way in WAYS[1:] for name in ("detector.mean", "lower", "upper")),
    ],
)
def test_a_tensor_that_is_not_in_the_graph_is_seen(changed, way, name):
    [line, *_] = verify(changed(way, **{name: nudged}))
    assert line.startswith(
        "calibration.safetensors: its tensors do not make the graph's initializer"
    )


def test_clean_scores_that_make_another_rate_are_seen(changed):
    bundle = changed(**{"clean.held_out_scores": lambda scores: scores - 1})
    [line] = verify(bundle)
    assert line.startswith("calibration.safetensors: its clean scores make frr_measured 0.0")


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {}},
        {"metadata": {"method": "badacts"}},
        {"detector.weights": None},
        {"detector.weights": lambda w: w[..., :1]},
        {"detector.bias": lambda b: b.astype(np.float64)},
        {"answer.log_odds": np.zeros(2, np.float32)},
        {"clean.held_out_scores": np.zeros((2, 2), np.float32)},
        {"clean.held_out_scores": np.zeros(0, np.float32)},
        {"clean.fit_scores": np.zeros((1, 1), np.float32)},
        {"clean.changed": lambda c: c[1:]},
        {"clean.correct_purified": None},
        {"latency.flagged": None},
        {"latency.unflagged": np.zeros(2, np.float32)},
        {"another": np.zeros(1, np.float32)},
    ],
    ids=",".join,
)
def test_tensors_that_are_not_as_specified_are_refused(changed, changes):
    bundle = changed(**changes)
    [line] = verify(bundle)
    assert line.startswith("calibration.safetensors: has ")
    with pytest.raises(BundleError, match="what an export keeps there"):
        move_threshold(bundle, value=1.0)


def test_a_bundle_without_labels_keeps_no_accuracies(changed):
    bundle = changed(**{"clean.correct_purified": None, "clean.correct_undefended": None})
    assert verify(bundle) == []
    move_threshold(bundle, value=1.0)
    assert verify(bundle) == []
