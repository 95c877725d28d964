"""A model that exists as an ONNX file only is defended in every mode, without gradients."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx_ir as ir
import pytest
import tiny_models
from safetensors import safe_open
from safetensors.numpy import load_file

from clampdown import inspect_bundle
from clampdown_calib import calibrate, load_calibration
from clampdown_calib.activations import CleanRun
from clampdown_calib.artefact import Calibration
from clampdown_calib.clean_rows import encode_rows
from clampdown_calib.cross_fitting import CrossFitted
from clampdown_calib.detectors import DETECTORS
from clampdown_calib.distrust import fit_suspicion
from clampdown_calib.model_folder import open_model
from clampdown_calib.purified_logits import Suspicion, purified
from clampdown_calib.readout import Readout
from clampdown_calib.threshold import threshold_at
from clampdown_calib.tokenization import load_tokenization
from clampdown_exporter import export, move_threshold, verify
from clampdown_exporter.defended_model import TracedModel
from clampdown_exporter.refit import refit
from clampdown_runtime import DefendedClassifier

MODES = ("detect-then-purify", "purify", "detect")
CLOSE = {"rtol": 1e-3, "atol": 1e-3}


@pytest.fixture(scope="module")
def defended(tmp_path_factory):
    """The calibration, and one bundle of each mode."""
    place = tmp_path_factory.mktemp("onnx")
    layers = tiny_models.save_onnx_model(place / "model")
    rows = [json.dumps({"text": text}) for text in tiny_models.texts(120)]
    (place / "clean.jsonl").write_text("\n".join(rows))
    calibrate(place / "model", place / "clean.jsonl", place / "calibration", layers=layers)
    results = {
        mode: export(place / "model", place / "calibration", place / mode, mode=mode)
        for mode in MODES
    }
    return load_calibration(place / "calibration"), results


def answered(bundle, threshold):
    """The bundle's outputs on rows, many of unseen words, and what NumPy sees of them."""
    ids = tiny_models.encoded_rows(12).ids
    classifier = DefendedClassifier.load(bundle)
    return classifier.run_ids(ids, threshold=threshold), tiny_models.seen(tiny_models.padded(ids))


def encoded(fitted, bundle):
    """The calibration's rows."""
    folder = open_model(bundle.parent / "model")
    return encode_rows(fitted.rows, "fit", load_tokenization(folder))


def clean_run(fitted, bundle):
    """Their run by NumPy alone."""
    samples = tiny_models.seen_alone(encoded(fitted, bundle))
    return CleanRun(samples.hidden, samples.pooled, samples.logits, None)


@pytest.mark.parametrize("mode", MODES)
def test_bundle_verifies_and_has_no_second_pass(defended, mode):
    result = defended[1][mode]
    assert result.largest_difference < 1e-4
    assert verify(result.bundle) == []
    graph = ir.load(result.bundle / "onnx" / "model.onnx").graph
    assert not {"Loop", "Max", "Min"} & {node.op_type for node in graph}


@pytest.mark.parametrize("mode", MODES)
def test_answers_equal_numpy(defended, mode):
    fitted, results = defended
    tensors = load_file(results[mode].bundle / "calibration.safetensors")
    run = clean_run(fitted, results[mode].bundle)
    unseen = CrossFitted.fit(run, type(fitted.detector), fitted.purifier.words.weights)
    suspicion = fit_suspicion(fitted.readout, run, unseen, 0.1)
    for name, value in suspicion.tensors().items():
        np.testing.assert_allclose(tensors[name], value, **CLOSE)
    for threshold in (np.inf, -np.inf):
        found, seen = answered(results[mode].bundle, threshold)
        inner = fitted.readout.logits(seen.pooled)
        score = fitted.detector.score(replace(seen, inner=inner))
        votes = fitted.purifier.logits(seen.pooled, seen.logits)
        answer = purified(votes, seen.logits, score, suspicion)
        takes = mode == "purify" or (mode == "detect-then-purify" and threshold < 0)
        np.testing.assert_allclose(found.logits, answer if takes else seen.logits, **CLOSE)
        np.testing.assert_allclose(found.anomaly_score, score, **CLOSE)
        assert (found.flagged == (threshold < 0)).all()
    # Something is taken off, else a graph without suspicion would pass.
    assert np.abs(answer - purified(votes, seen.logits, score, Suspicion.nothing())).max() > 0.1


@pytest.mark.parametrize("mode", MODES)
def test_bundle_says_how_it_purifies_and_holds_no_intervals(defended, mode):
    fitted, results = defended
    bundle = results[mode].bundle
    with safe_open(bundle / "calibration.safetensors", framework="numpy") as file:
        assert file.metadata() == {"purification": "votes"}
        names = set(file.keys())
    assert not {"lower", "upper"} & names
    assert (
        set(fitted.tensors()) | {"suspicion.start", "suspicion.rate", "suspicion.spared"} <= names
    )
    assert "nothing is clipped" in inspect_bundle(bundle).note
    scores = load_file(bundle / "calibration.safetensors")["clean.held_out_scores"]
    assert results[mode].manifest.threshold == threshold_at(scores, 0.1)


@pytest.mark.parametrize("mode", MODES)
def test_rows_are_held_out_of_what_scores_them(defended, mode):
    fitted, results = defended
    bundle = results[mode].bundle
    tensors = load_file(bundle / "calibration.safetensors")
    classifier = DefendedClassifier.load(bundle)
    rows = encoded(fitted, bundle)
    run = clean_run(fitted, bundle)
    unseen = CrossFitted.fit(run, type(fitted.detector), fitted.purifier.words.weights)
    np.testing.assert_allclose(tensors["clean.held_out_scores"], unseen.scores, **CLOSE)
    seen = classifier.run_ids(rows.ids, threshold=np.inf).anomaly_score
    np.testing.assert_allclose(tensors["clean.fit_scores"], seen, **CLOSE)
    assert np.abs(unseen.scores - seen).max() > 0.1
    suspicion = fit_suspicion(fitted.readout, run, unseen, 0.1)
    answers = purified(unseen.votes, run.logits, unseen.scores, suspicion)
    changed = answers.argmax(axis=1) != run.logits.argmax(axis=1)
    np.testing.assert_array_equal(tensors["clean.changed"], changed)


def test_moved_threshold_leaves_the_suspicion_as_it_was(defended, tmp_path):
    bundle = shutil.copytree(defended[1]["detect-then-purify"].bundle, tmp_path / "bundle")
    before = answered(bundle, -np.inf)[0].logits
    threshold = DefendedClassifier.load(bundle).manifest.threshold
    assert move_threshold(bundle, frr=0.5).threshold < threshold
    assert verify(bundle) == []
    np.testing.assert_array_equal(answered(bundle, -np.inf)[0].logits, before)


def test_votes_and_words_are_fitted_again_on_the_graph(defended):
    fitted, results = defended
    rows = encoded(fitted, results["detect"].bundle)
    inputs = tiny_models.TOKENIZATION.inputs
    rows = replace(rows, tokenization=replace(rows.tokenization, inputs=inputs))
    wanted = fitted.purifier.tensors()
    none = type(fitted.purifier).from_tensors({k: np.zeros_like(v) for k, v in wanted.items()})
    traced = TracedModel(tiny_models.marked_graph(), inputs, None)
    again = refit(traced, replace(fitted, purifier=none), rows, clip=None).purifier.tensors()
    assert set(again) == set(wanted)
    for name, tensor in wanted.items():
        np.testing.assert_allclose(again[name], tensor, **CLOSE)


@pytest.mark.parametrize("detector", sorted(DETECTORS))
def test_detector_of_a_clipped_run_is_fitted_on_that_run(detector):
    bounds = tiny_models.intervals()
    labels = np.random.default_rng(0).integers(0, tiny_models.CLASSES, 90)
    rows = tiny_models.encoded_rows(90, labels)
    calibration = Calibration(
        facts=SimpleNamespace(layers=("one", "two"), representation="last"),
        readout=None,
        purifier=bounds,
        detector=DETECTORS[detector].fit(tiny_models.seen(tiny_models.batch(40, 6))),
        rows=(),
    )
    traced = TracedModel(tiny_models.marked_graph(), tiny_models.TOKENIZATION.inputs, None)
    again = refit(traced, calibration, rows, clip=bounds)
    readout, fitted = again.readout, again.detector
    assert again.purifier is bounds
    # The graph itself is still to be rewritten.
    assert len(traced.graph.graph) == len(tiny_models.marked_graph().graph)

    clipped = tiny_models.seen_alone(rows, "last", bounds)
    expected, inner = Readout.fit(clipped.pooled, clipped.logits, labels)
    np.testing.assert_allclose(readout.weights, expected.weights, **CLOSE)
    of_run = DETECTORS[detector].fit(replace(clipped, inner=inner))
    assert type(fitted) is type(of_run)
    unseen = tiny_models.seen(tiny_models.batch(20, 6, seed=9), "last", bounds)
    np.testing.assert_allclose(fitted.score(unseen), of_run.score(unseen), **CLOSE)
