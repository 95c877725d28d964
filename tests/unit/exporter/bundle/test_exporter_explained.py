"""The further outputs are what the graph computes on its way."""

import json

import numpy as np
import onnxruntime
import pytest
import tiny_transformers

from clampdown_calib import FitOptions, load_calibration
from clampdown_calib.artefact import save_calibration
from clampdown_calib.fit import fit
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.rows.clean_run import token_means
from clampdown_calib.stored_tensors import tensors_of
from clampdown_exporter import ExportOptions
from clampdown_exporter.bundle.explained import write_explained
from clampdown_exporter.run_export import write_bundle
from clampdown_runtime import DefendedClassifier, open_bundle
from clampdown_runtime.tokenizer import pad_batch

MODES = ("detect-then-purify", "purify", "detect")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Of a model with three layers, of which two are probed, and three classes."""
    place = tmp_path_factory.mktemp("explained")
    tiny_transformers.save_model(place / "model", num_hidden_layers=3, num_labels=3)
    rows = [json.dumps({"text": text}) for text in tiny_transformers.texts(120)]
    (place / "clean.jsonl").write_text("\n".join(rows))
    for method, modes, given in (("probe", MODES, {}), ("badacts", MODES[:1], {"epochs": 1})):
        options = FitOptions(method=method, **given)
        fitted = fit(place / "model", place / "clean.jsonl", options)
        save_calibration(fitted.calibration, place / method)
        for mode in modes:
            write_bundle(fitted, place / f"{method}-{mode}", ExportOptions(mode))
    return place


def inputs(made):
    classifier = DefendedClassifier.load(made / "probe-detect")
    ids = [
        encoded.ids for encoded in classifier.tokenizer.encode(tiny_transformers.texts(12, seed=1))
    ]
    return pad_batch(ids, classifier.manifest.padding, classifier.manifest.inputs)


def answers(made, name, tmp_path):
    bundle = open_bundle(made / name)
    write_explained(bundle, tmp_path / "explained.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(tmp_path / "explained.onnx", options)
    names = [output.name for output in session.get_outputs()]
    flagged = {"threshold": np.array([-np.inf], np.float32)}
    return dict(zip(names, session.run(names, {**inputs(made), **flagged}), strict=True))


def undefended(made):
    """The rows' run in torch."""
    names = ("input_ids", "attention_mask", "token_type_ids")
    classifier = TorchClassifier.load(open_model(made / "model"), names)
    given = inputs(made)
    run = classifier.activations(given)
    return run.logits, token_means(run, given["attention_mask"])


@pytest.mark.parametrize("mode", ["detect-then-purify", "purify"])
def test_undefended_logits(made, tmp_path, mode):
    found = answers(made, f"probe-{mode}", tmp_path)
    logits, _ = undefended(made)
    np.testing.assert_allclose(found["undefended_logits"], logits, rtol=1e-4, atol=1e-4)
    assert np.abs(found["logits"] - logits).max() > 0.01


@pytest.mark.parametrize("mode", MODES)
def test_layer_excess_is_how_much_surer_the_model_is_than_each_probe(made, tmp_path, mode):
    found = answers(made, f"probe-{mode}", tmp_path)
    assert found["layer_excess"].shape == (12, 2)
    fitted = tensors_of(load_calibration(made / "probe"))
    logits, means = undefended(made)
    for row, (own, layers) in enumerate(zip(logits, means, strict=True)):
        label = own.argmax()
        for layer in range(2):
            probe = layers[layer] @ fitted["detector.weights"][layer]
            probe += fitted["detector.bias"][layer]
            own_margin, margin = (
                given[label] - np.delete(given, label).max() for given in (own, probe)
            )
            excess = own_margin - fitted["detector.slope"][layer] * margin
            excess -= fitted["detector.centre"][layer]
            expected = excess / fitted["detector.spread"][layer]
            assert found["layer_excess"][row, layer] == pytest.approx(expected, abs=2e-3)
    largest = found["layer_excess"].max(axis=1)
    np.testing.assert_allclose(found["anomaly_score"], largest, rtol=1e-5)


def test_what_a_graph_has_not_is_not_given(made, tmp_path):
    own = ["logits", "anomaly_score", "flagged"]
    assert [*answers(made, "probe-detect", tmp_path)] == [*own, "layer_excess"]
    assert [*answers(made, "badacts-detect-then-purify", tmp_path)] == own
