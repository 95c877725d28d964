"""The further outputs are what the graph computes on its way."""

import json

import numpy as np
import onnxruntime
import pytest
import tiny_models

from clampdown_calib import calibrate, load_calibration
from clampdown_exporter import export
from clampdown_exporter.explained import write_explained
from clampdown_runtime import DefendedClassifier, open_bundle


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    place = tmp_path_factory.mktemp("explained")
    layers = tiny_models.save_onnx_model(place / "model")
    rows = [json.dumps({"text": text}) for text in tiny_models.texts(120)]
    (place / "clean.jsonl").write_text("\n".join(rows))
    for detector in ("fusion", "nas"):
        out = place / detector
        calibrate(place / "model", place / "clean.jsonl", out, layers=layers, detector=detector)
        for mode in ("detect-then-purify", "purify", "detect"):
            export(place / "model", out, place / f"{detector}-{mode}", mode=mode)
    return place


def answers(made, name, tmp_path):
    bundle = open_bundle(made / name)
    write_explained(bundle, tmp_path / "explained.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(tmp_path / "explained.onnx", options)
    names = [output.name for output in session.get_outputs()]
    rows = tiny_models.padded(tiny_models.encoded_rows(12).ids)
    return dict(zip(names, session.run(names, rows), strict=True))


@pytest.mark.parametrize("mode", ["detect-then-purify", "purify"])
def test_undefended_logits(made, tmp_path, mode):
    found = answers(made, f"fusion-{mode}", tmp_path)
    plain = DefendedClassifier.load(made / "fusion-detect")
    expected = plain.run_ids(tiny_models.encoded_rows(12).ids)
    np.testing.assert_allclose(found["undefended_logits"], expected.logits, rtol=1e-4, atol=1e-4)
    assert np.abs(found["logits"] - expected.logits).max() > 0.01


def test_layer_distances_are_the_detectors(made, tmp_path):
    found = answers(made, "fusion-detect-then-purify", tmp_path)
    detector = load_calibration(made / "fusion").detector
    seen = tiny_models.seen(tiny_models.padded(tiny_models.encoded_rows(12).ids))
    both = np.concatenate([seen.hidden, seen.pooled], axis=1)
    standard = (detector.distance.distances(both) - detector.distance.centre) / (
        detector.distance.spread
    )
    np.testing.assert_allclose(found["layer_distances"], standard, rtol=1e-3, atol=1e-3)


def test_what_a_graph_has_not_is_not_given(made, tmp_path):
    assert list(answers(made, "fusion-detect", tmp_path)) == [
        "logits",
        "anomaly_score",
        "flagged",
        "layer_distances",
    ]
    assert "layer_distances" not in answers(made, "nas-detect-then-purify", tmp_path)
