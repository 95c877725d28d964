"""The whole calibration on a random model, and what it refuses before any work."""

import dataclasses
import importlib
import json

import numpy as np
import pytest
import tiny_models

from clampdown_calib import calibrate, load_calibration
from clampdown_calib.activations import (
    real_tokens,
)
from clampdown_calib.clean_rows import CleanRow, encode_rows
from clampdown_calib.model_folder import open_model
from clampdown_calib.tokenization import load_tokenization
from clampdown_calib.torch_classifier import TorchClassifier
from clampdown_runtime import CalibrationError, DestinationError


@pytest.fixture
def clean(tmp_path):
    path = tmp_path / "clean.jsonl"
    lines = [json.dumps({"text": text}) for text in tiny_models.texts(60)]
    path.write_text("\n".join(lines))
    return path


def test_calibration_is_written_and_read_back(bert_folder, clean, tmp_path):
    fitted = calibrate(bert_folder, clean, tmp_path / "c")
    read = load_calibration(tmp_path / "c")
    assert read.facts == fitted.facts
    assert read.facts.model_digest == open_model(bert_folder).digest()
    assert (read.facts.fit_rows, read.facts.held_out_rows) == (60, 60)
    assert (read.facts.purification, read.facts.epochs, read.facts.kept) == ("votes", 0, None)
    assert read.intervals is None
    assert read.readout.weights.shape == (1, 16, 2)
    assert read.purifier.weights.shape == (1, 16, 2)
    assert read.detector.distance.means.shape[0] == 4
    again = calibrate(bert_folder, clean, tmp_path / "again")
    for name, tensor in fitted.tensors().items():
        np.testing.assert_array_equal(tensor, again.tensors()[name])


def test_paths_may_be_strings_and_votes_take_no_notice_of_the_seed(bert_folder, clean, tmp_path):
    one = calibrate(str(bert_folder), str(clean), str(tmp_path / "one"), seed=1)
    other = calibrate(bert_folder, clean, tmp_path / "other", seed=2)
    assert (tmp_path / "one" / "calibration.json").is_file()
    for name, tensor in one.tensors().items():
        np.testing.assert_array_equal(tensor, other.tensors()[name])


def test_clipping_puts_intervals_in_the_place_of_votes(bert_folder, clean, tmp_path):
    steps = []
    clip = {"purification": "clip", "epochs": 1}
    fitted = calibrate(
        bert_folder, clean, tmp_path / "c", **clip, progress=lambda *step: steps.append(step)
    )
    assert load_calibration(tmp_path / "c").facts == fitted.facts
    assert (fitted.facts.purification, fitted.facts.epochs) == ("clip", 1)
    assert 0 <= fitted.facts.kept <= 1
    assert fitted.intervals.lower.shape == (2, 16)
    assert ("Fitting the intervals", 1, 1) in steps
    again = calibrate(bert_folder, clean, tmp_path / "again", **clip).tensors()
    for name, tensor in fitted.tensors().items():
        np.testing.assert_array_equal(tensor, again[name])
    plain = calibrate(bert_folder, clean, tmp_path / "plain").tensors()
    assert set(again) - set(plain) == {"lower", "upper"}
    assert set(plain) - set(again) == {f"votes.{name}" for name in ("weights", "bias", "scale")}
    # Intervals are fitted once, on one half of the rows; everything beside them, too.
    assert (fitted.facts.fit_rows, fitted.facts.held_out_rows) == (30, 30)
    assert not np.allclose(plain["readout.bias"], again["readout.bias"])


@pytest.mark.parametrize(("method", "at"), [("clip", "FAST"), ("published", "PUBLISHED")])
def test_optimisation_starts_as_its_schedule_says(
    bert_folder, clean, tmp_path, monkeypatch, method, at
):
    class Still:
        """Returns what it starts from."""

        epochs = 0

        def fit(self, classifier, batches, start, **_):
            return start

    module = importlib.import_module("clampdown_calib.calibrate")
    monkeypatch.setattr(module, at, Still())
    fitted = calibrate(bert_folder, clean, tmp_path / "c", purification=method)
    tokenization = load_tokenization(open_model(bert_folder))
    source = TorchClassifier(tiny_models.transformer(), tokenization.inputs)
    fit = encode_rows(fitted.rows, "fit", tokenization)
    tokens = np.concatenate(list(real_tokens(source, fit)))
    assert len(tokens) == sum(len(ids) for ids in fit.ids)
    bounds = np.quantile(tokens, [0.01, 0.99], axis=0)
    if method == "published":
        bounds = [np.full((2, 16), end) for end in (1 - np.e, 1)]
    np.testing.assert_allclose(fitted.intervals.lower, bounds[0], atol=1e-5)
    np.testing.assert_allclose(fitted.intervals.upper, bounds[1], atol=1e-5)


@pytest.mark.parametrize("method", ["clip", "published"])
def test_onnx_folder_has_no_gradients_to_clip_with(clean, tmp_path, method):
    folder = tmp_path / "onnx-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "model.onnx").touch()
    with pytest.raises(CalibrationError, match=rf"no gradients.*for --purification {method}"):
        calibrate(folder, clean, tmp_path / "out", purification=method)


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"detector": "onion"}, "'onion'; expected one of fusion, mahalanobis, nas"),
        ({"purification": "fast"}, "'fast'; expected one of votes, clip, published"),
        ({"epochs": 3}, "3; expected none: `votes` is fitted in closed form"),
        ({"frr": 0}, "0; expected a share between 0 and 1"),
        ({"frr": 1.0}, "1; expected a share between 0 and 1"),
        ({"frr": float("nan")}, "nan; expected a share between 0 and 1"),
        ({"purification": "clip", "epochs": 0}, "0; expected at least 1"),
        ({"purification": "clip", "seed": -1}, "The seed: found -1; expected at least 0"),
        ({"seed": -1}, "The seed: found -1; expected at least 0"),
    ],
)
def test_wrong_options(bert_folder, clean, tmp_path, options, pattern):
    with pytest.raises(CalibrationError, match=pattern):
        calibrate(bert_folder, clean, tmp_path / "out", **options)


def test_existing_destination_is_refused_before_the_work(clean, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(DestinationError, match="already exists"):
        calibrate("a model that is never looked for", clean, tmp_path / "out")


def test_token_that_tells_no_row_from_another(clean, tmp_path):
    """A decoder's first token sees nothing but itself."""
    sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 24}
    folder = tiny_models.save_model(tmp_path / "gpt2", "gpt2", **sizes)
    with pytest.raises(CalibrationError, match=r"The first token: .*--representation last"):
        calibrate(folder, clean, tmp_path / "out", representation="first")
    fitted = calibrate(folder, clean, tmp_path / "out")
    assert fitted.facts.representation == "last"


def test_labels_that_are_all_wrong(bert_folder, clean, tmp_path):
    rows = [json.loads(line) for line in clean.read_text().splitlines()]
    classifier = TorchClassifier.load(open_model(bert_folder), ("input_ids", "attention_mask"))
    tokenization = load_tokenization(open_model(bert_folder))
    lines = []
    for row in rows:
        ids = np.array(tokenization.encode([row["text"]]))
        predicted = classifier.activations({"input_ids": ids, "attention_mask": np.ones_like(ids)})
        lines.append(json.dumps({**row, "label": int(1 - predicted.logits.argmax())}))
    clean.write_text("\n".join(lines))
    with pytest.raises(CalibrationError, match="none that the model gets right"):
        calibrate(bert_folder, clean, tmp_path / "out", purification="clip", epochs=1)
    assert not (tmp_path / "out").exists()


def test_interrupted_calibration_leaves_nothing(bert_folder, clean, tmp_path):
    def interrupt(stage, done, total):
        if stage == "Fitting the intervals":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(
            bert_folder,
            clean,
            tmp_path / "out",
            purification="clip",
            epochs=2,
            progress=interrupt,
        )
    assert [path.name for path in tmp_path.iterdir()] == ["clean.jsonl"]


def test_inputs_follow_the_model_and_not_the_tokenizer(bert_folder):
    tokenization = load_tokenization(open_model(bert_folder))
    two = dataclasses.replace(tokenization, inputs=("input_ids", "attention_mask"))
    rows = encode_rows([CleanRow("good", None, "fit")], "fit", two)
    [(_, inputs)] = rows.batches()
    assert set(inputs) == {"input_ids", "attention_mask"}
