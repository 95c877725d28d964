"""The whole calibration on a random model, and what it refuses before any work."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_models

from clampdown_calib import calibrate, load_calibration
from clampdown_calib.activations import real_tokens, representations, token_positions
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
    steps = []
    fitted = calibrate(
        bert_folder, clean, tmp_path / "c", epochs=1, progress=lambda *step: steps.append(step)
    )
    read = load_calibration(tmp_path / "c")
    assert read.facts == fitted.facts
    assert read.facts.model_digest == open_model(bert_folder).digest()
    assert (read.facts.fit_rows, read.facts.held_out_rows, read.facts.epochs) == (30, 30, 1)
    assert 0 <= read.facts.kept <= 1
    assert read.intervals.lower.shape == (2, 16)
    assert ("Fitting the intervals", 1, 1) in steps
    again = calibrate(bert_folder, clean, tmp_path / "again", epochs=1)
    for name, tensor in fitted.tensors().items():
        np.testing.assert_array_equal(tensor, again.tensors()[name])


def test_statistical_intervals_are_quantiles_of_the_real_tokens(bert_folder, clean, tmp_path):
    fitted = calibrate(bert_folder, clean, tmp_path / "c", intervals="statistical", detector="nas")
    assert (fitted.facts.epochs, fitted.facts.kept, fitted.facts.detector) == (0, None, "nas")
    tokenization = load_tokenization(open_model(bert_folder))
    source = TorchClassifier(tiny_models.transformer(), tokenization.inputs)
    fit = encode_rows(fitted.rows, "fit", tokenization)
    tokens = np.concatenate(list(real_tokens(source, fit)))
    assert len(tokens) == sum(len(ids) for ids in fit.ids)
    lower, upper = np.quantile(tokens, [0.001, 0.999], axis=0)
    np.testing.assert_allclose(fitted.intervals.lower, lower, atol=1e-5)
    np.testing.assert_allclose(fitted.intervals.upper, upper, atol=1e-5)


def test_onnx_folder_needs_statistical_intervals_and_says_what_is_lost(clean, tmp_path):
    folder = tmp_path / "onnx-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "model.onnx").touch()
    with pytest.raises(CalibrationError, match=r"no gradients.*does not remove a trigger's effect"):
        calibrate(folder, clean, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"detector": "onion"}, "'onion'; expected one of fusion, mahalanobis, nas"),
        ({"intervals": "quick"}, "'quick'; expected one of fast, published, statistical"),
        ({"frr": 0}, "0; expected a share between 0 and 1"),
        ({"frr": 1.0}, "1; expected a share between 0 and 1"),
        ({"frr": float("nan")}, "nan; expected a share between 0 and 1"),
        ({"epochs": 0}, "0; expected at least 1"),
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
    first = {"representation": "first", "intervals": "statistical"}
    with pytest.raises(CalibrationError, match=r"The first token: .*--representation last"):
        calibrate(folder, clean, tmp_path / "out", **first)
    fitted = calibrate(folder, clean, tmp_path / "out", epochs=1)
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
        calibrate(bert_folder, clean, tmp_path / "out", epochs=1)
    assert not (tmp_path / "out").exists()


def test_interrupted_calibration_leaves_nothing(bert_folder, clean, tmp_path):
    def interrupt(stage, done, total):
        if stage == "Fitting the intervals":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        calibrate(bert_folder, clean, tmp_path / "out", epochs=2, progress=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["clean.jsonl"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_activations_that_are_not_finite_are_refused_by_layer(bert_folder, value):
    tokenization = load_tokenization(open_model(bert_folder))
    source = TorchClassifier(tiny_models.transformer(), tokenization.inputs)
    rows = encode_rows([CleanRow("good film", None, "fit")], "fit", tokenization)
    activations = source.activations

    def broken(inputs):
        run = activations(inputs)
        run.hidden[1][0, 0, 3] = value
        return run

    source.activations = broken
    for passes in (representations, real_tokens):
        with pytest.raises(
            CalibrationError, match=r"layer\.1 on clean rows: found NaN or infinite"
        ):
            list(passes(source, rows))


def test_padding_that_is_not_finite_does_no_harm(bert_folder):
    tokenization = load_tokenization(open_model(bert_folder))
    source = TorchClassifier(tiny_models.transformer(), tokenization.inputs)
    texts = ["good film", "a very good film"]
    rows = encode_rows([CleanRow(text, None, "fit") for text in texts], "fit", tokenization)
    activations = source.activations

    def broken(inputs):
        run = activations(inputs)
        run.hidden[0][inputs["attention_mask"] == 0] = np.nan
        return run

    source.activations = broken
    assert len(list(representations(source, rows))) == len(list(real_tokens(source, rows))) == 1


def test_representation_tokens():
    mask = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 1]])
    assert token_positions(mask, "first").tolist() == [0, 0, 0, 0]
    assert token_positions(mask, "last").tolist() == [2, 1, 0, 2]


def test_inputs_follow_the_model_and_not_the_tokenizer(bert_folder):
    tokenization = load_tokenization(open_model(bert_folder))
    two = dataclasses.replace(tokenization, inputs=("input_ids", "attention_mask"))
    rows = encode_rows([CleanRow("good", None, "fit")], "fit", two)
    [(_, inputs)] = rows.batches()
    assert set(inputs) == {"input_ids", "attention_mask"}
