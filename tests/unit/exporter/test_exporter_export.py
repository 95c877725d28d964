"""A model that exists as an ONNX file only is defended in every mode, without gradients."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx_ir as ir
import pytest
import tiny_graph
import tiny_transformers
from safetensors import safe_open
from safetensors.numpy import load_file
from scipy.special import softmax

from clampdown import defend, inspect_bundle
from clampdown_calib import FitOptions, calibrate, load_calibration
from clampdown_calib.detectors import ExcessDetector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.graphs.lowering.precision import lower
from clampdown_calib.graphs.sites import marked_layers
from clampdown_calib.graphs.tracing.traced_model import trace_model
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_calib.rows.clean_rows import encode_rows
from clampdown_calib.rows.clean_run import CleanRun, token_means
from clampdown_calib.threshold import threshold_at
from clampdown_exporter import export, move_threshold, verify
from clampdown_runtime import CalibrationError, DefendedClassifier

MODES = ("detect-then-purify", "purify", "detect")
CLOSE = {"rtol": 1e-3, "atol": 1e-3}
FRR = 0.1


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The model with its clean rows, of which every fourth has another label than it says."""
    place = tmp_path_factory.mktemp("onnx")
    layers = tiny_graph.save_onnx_model(place / "model")
    model = ir.load(place / "model" / "model.onnx")
    # Quantization refuses weights that are not numbers; the rows do not read them.
    embedding = model.graph.initializers["embedding"]
    embedding.const_value = ir.tensor(np.nan_to_num(tiny_graph.weights()["embedding"], posinf=0))
    ir.save(model, place / "model" / "model.onnx")
    texts = tiny_transformers.texts(120)
    ids = load_tokenization(open_model(place / "model")).encode(texts)
    labels = tiny_graph.reference(tiny_graph.padded(ids))[1].argmax(axis=1)
    labels[1::4] = (labels[1::4] + 1) % tiny_graph.CLASSES
    pairs = zip(texts, labels.tolist(), strict=True)
    rows = [json.dumps({"text": text, "label": label}) for text, label in pairs]
    (place / "clean.jsonl").write_text("\n".join(rows))
    calibrate(place / "model", place / "clean.jsonl", place / "calibration", layers=layers)
    return place


@pytest.fixture(scope="module")
def fitted(place):
    """The calibration."""
    return load_calibration(place / "calibration")


@pytest.fixture(scope="module")
def results(place):
    """One bundle of each mode."""
    return {
        mode: export(place / "model", place / "calibration", place / mode, mode=mode)
        for mode in MODES
    }


@pytest.fixture(scope="module")
def rows(place, fitted):
    """The calibration's rows."""
    tokenization = load_tokenization(open_model(place / "model"))
    tokenization = replace(tokenization, inputs=tiny_graph.TOKENIZATION.inputs)
    return encode_rows(fitted.rows, "fit", tokenization)


def answered(bundle, threshold):
    """The bundle's outputs on rows, many of unseen words, and what NumPy sees of them."""
    ids = tiny_graph.encoded_rows(12).ids
    classifier = DefendedClassifier.load(bundle)
    return classifier.run_ids(ids, threshold=threshold), tiny_graph.seen(tiny_graph.padded(ids))


def held_out(rows):
    """By NumPy alone: the rows' run, what is said of each by the fit without it, the answer."""
    run = tiny_graph.seen_alone(rows)
    _, unseen = ExcessDetector.cross_fit(run)
    return run, unseen, Answer.fit(run, unseen, threshold_at(unseen.scores, FRR))


def mixture(answer, probes, excess, own):
    """Probabilities as docs/method.md has them, float64."""
    odds = np.exp(np.pi / np.sqrt(3) * excess.astype(np.float64) + answer.log_odds)
    less = np.where(np.arange(own.shape[1]) == own.argmax(axis=1)[:, None], 0.5, 1)
    forced = softmax(probes.astype(np.float64), axis=2) * less[:, None]
    forced /= forced.sum(axis=2, keepdims=True)
    mixed = softmax(own * answer.sharpness.astype(np.float64), axis=1)
    mixed = mixed + (odds[:, :, None] * forced).mean(axis=1)
    return mixed / mixed.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("mode", MODES)
def test_bundle_verifies_and_has_no_second_pass(results, mode):
    result = results[mode]
    assert result.largest_difference < 1e-4
    assert verify(result.bundle) == []
    graph = ir.load(result.bundle / "onnx" / "model.onnx").graph
    assert not {"Loop", "Max", "Min"} & {node.op_type for node in graph}


def test_a_bundle_that_lets_infinite_rows_pass_does_not_verify(results, tmp_path, seal):
    folder = shutil.copytree(results["detect"].bundle, tmp_path / "bundle")
    path = folder / "onnx" / "model.onnx"
    model = ir.load(path)
    verdict = model.graph.outputs[2].producer()
    # As a provider computes it that takes no number for NaN.
    score, threshold = model.graph.outputs[1], model.graph.initializers["threshold"]
    node = ir.node("Greater", [score, threshold], metadata_props=dict(verdict.metadata_props))
    node.outputs[0].name, verdict.outputs[0].name = "flagged", "before"
    node.outputs[0].type, node.outputs[0].shape = verdict.outputs[0].type, score.shape
    model.graph.insert_after(verdict, node)
    model.graph.outputs[2] = node.outputs[0]
    ir.save(model, path)
    seal(folder)
    found = verify(folder)
    assert len(found) == 2
    for line, what in zip(found, ("a layer", "the logits"), strict=True):
        assert line.startswith("onnx/model.onnx: ")
        assert line.endswith(f"golden rows pass on cpu although {what} overflow")


@pytest.mark.parametrize("mode", MODES)
def test_answers_equal_numpy(fitted, results, rows, mode):
    tensors = load_file(results[mode].bundle / "calibration.safetensors")
    run, unseen, answer = held_out(rows)
    for name, value in answer.tensors().items():
        np.testing.assert_allclose(tensors[f"answer.{name}"], value, **CLOSE)
    # Rows that are not flagged have no say in it.
    assert Answer.fit(run, unseen, -np.inf).log_odds < answer.log_odds - 0.1
    for threshold in (np.inf, -np.inf):
        found, seen = answered(results[mode].bundle, threshold)
        probes = fitted.plain.detector.probes.logits(seen.pooled)
        excess = fitted.plain.detector.excess(seen.logits, probes)
        mixed = mixture(answer, probes, excess, seen.logits)
        if mode == "purify" or (mode == "detect-then-purify" and threshold < 0):
            np.testing.assert_allclose(np.exp(found.logits), mixed, **CLOSE)
        else:
            np.testing.assert_allclose(found.logits, seen.logits, **CLOSE)
        np.testing.assert_allclose(found.anomaly_score, excess.max(axis=1), **CLOSE)
        assert (found.flagged == (threshold < 0)).all()
    # Some answers are others, else a graph that mixes nothing would pass.
    assert np.abs(mixed - softmax(seen.logits, axis=1)).max() > 0.1
    assert (mixed.argmax(axis=1) != seen.logits.argmax(axis=1)).any()


@pytest.mark.parametrize("mode", MODES)
def test_bundle_says_how_it_answers_and_holds_no_intervals(fitted, results, mode):
    bundle = results[mode].bundle
    with safe_open(bundle / "calibration.safetensors", framework="numpy") as file:
        assert file.metadata() == {"method": "probe"}
        names = set(file.keys())
    assert not {"lower", "upper"} & names
    assert {*fitted.fitted_tensors(mode)} <= names
    assert "nothing is clipped" in inspect_bundle(bundle).note
    scores = load_file(bundle / "calibration.safetensors")["clean.held_out_scores"]
    assert results[mode].manifest.threshold == threshold_at(scores, FRR)
    assert results[mode].manifest.detector == "excess"


@pytest.mark.parametrize("mode", MODES)
def test_rows_are_held_out_of_what_scores_them(results, rows, mode):
    bundle = results[mode].bundle
    tensors = load_file(bundle / "calibration.safetensors")
    run, unseen, answer = held_out(rows)
    np.testing.assert_allclose(tensors["clean.held_out_scores"], unseen.scores, **CLOSE)
    seen = DefendedClassifier.load(bundle).run_ids(rows.ids, threshold=np.inf).anomaly_score
    np.testing.assert_allclose(tensors["clean.fit_scores"], seen, **CLOSE)
    assert np.abs(unseen.scores - seen).max() > 0.1
    own = run.logits.argmax(axis=1)
    mixed = mixture(answer, unseen.probes, unseen.excess, run.logits).argmax(axis=1)
    np.testing.assert_array_equal(tensors["clean.changed"], mixed != own)
    np.testing.assert_array_equal(tensors["clean.correct_undefended"], own == rows.labels)
    np.testing.assert_array_equal(tensors["clean.correct_purified"], mixed == rows.labels)


def test_moved_threshold_leaves_the_answers_as_they_were(results, tmp_path):
    bundle = shutil.copytree(results["detect-then-purify"].bundle, tmp_path / "bundle")
    before = answered(bundle, -np.inf)[0].logits
    kept = load_file(bundle / "calibration.safetensors")
    threshold = DefendedClassifier.load(bundle).manifest.threshold
    assert move_threshold(bundle, frr=0.5).threshold < threshold
    assert verify(bundle) == []
    np.testing.assert_array_equal(answered(bundle, -np.inf)[0].logits, before)
    for name, tensor in load_file(bundle / "calibration.safetensors").items():
        np.testing.assert_array_equal(tensor, kept[name], err_msg=name)


def lowered_run(place, fitted, rows, precision):
    """The rows' run through the lowered graph, each alone."""
    folder = open_model(place / "model")
    options = FitOptions(layers=fitted.facts.layers)
    graph = lower(trace_model(folder, load_tokenization(folder), options), precision).graph
    graph.graph.outputs.extend(marked_layers(graph.graph))
    session = tiny_graph.session(graph, "ORT_DISABLE_ALL")
    runs = []
    for ids in rows.ids:
        given = tiny_graph.padded([ids])
        logits, *hidden = session.run(None, given)
        runs.append((logits, token_means(SimpleNamespace(hidden=hidden), given["attention_mask"])))
    logits, means = (np.concatenate(arrays) for arrays in zip(*runs, strict=True))
    return CleanRun(means, means, logits, rows.labels)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_lowered_bundle_holds_what_its_own_graph_was_fitted_with(
    place, fitted, rows, precision, tmp_path
):
    bundle = defend(
        place / "model",
        place / "clean.jsonl",
        tmp_path / "bundle",
        layers=fitted.facts.layers,
        precision=precision,
    ).bundle
    run = lowered_run(place, fitted, rows, precision)
    detector, unseen = ExcessDetector.cross_fit(run)
    answer = Answer.fit(run, unseen, threshold_at(unseen.scores, FRR))
    tensors = load_file(bundle / "calibration.safetensors")
    for name, value in detector.tensors().items():
        np.testing.assert_allclose(tensors[f"detector.{name}"], value, rtol=1e-2, atol=1e-2)
    for name, value in answer.tensors().items():
        np.testing.assert_allclose(tensors[f"answer.{name}"], value, rtol=1e-2, atol=1e-2)
    # Those of the float32 model are others.
    moved = np.abs(fitted.plain.detector.centre - detector.centre).max()
    assert moved > 10 * np.abs(tensors["detector.centre"] - detector.centre).max()
    found = DefendedClassifier.load(bundle).run_ids(rows.ids)
    np.testing.assert_allclose(found.anomaly_score, detector.score(run), rtol=1e-2, atol=1e-2)


def test_calibration_of_another_graph_is_refused(place, tmp_path):
    folder = shutil.copytree(place / "calibration", tmp_path / "calibration")
    facts = json.loads((folder / "calibration.json").read_text())
    wanted = facts["graph_digest"]
    (folder / "calibration.json").write_text(json.dumps({**facts, "graph_digest": "sha256:0"}))
    with pytest.raises(CalibrationError, match=f"{wanted}; expected .* sha256:0") as caught:
        export(place / "model", folder, tmp_path / "bundle")
    assert "Calibrate again" in str(caught.value)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("mode", MODES)
def test_both_commands_in_a_row_give_what_one_gives(place, fitted, results, mode, tmp_path):
    bundle = defend(
        place / "model",
        place / "clean.jsonl",
        tmp_path / "bundle",
        layers=fitted.facts.layers,
        mode=mode,
    ).bundle
    whole, parts = (answered(b, None)[0] for b in (bundle, results[mode].bundle))
    np.testing.assert_array_equal(whole.logits, parts.logits)
    np.testing.assert_array_equal(whole.anomaly_score, parts.anomaly_score)
    np.testing.assert_array_equal(whole.flagged, parts.flagged)
