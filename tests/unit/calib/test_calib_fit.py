"""The whole calibration on a random model, and what it refuses before any work."""

import dataclasses
import importlib
import json

import numpy as np
import pytest
import tiny_transformers

from clampdown_calib import calibrate, load_calibration
from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.detectors import ExcessDetector
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_calib.rows.clean_rows import CleanRow, encode_rows
from clampdown_calib.rows.clean_run import run_clean_rows
from clampdown_calib.stored_tensors import tensors_of
from clampdown_runtime import CalibrationError, DestinationError


@pytest.fixture
def clean(tmp_path):
    path = tmp_path / "clean.jsonl"
    lines = [json.dumps({"text": text}) for text in tiny_transformers.texts(60)]
    path.write_text("\n".join(lines))
    return path


def test_calibration_is_written_and_read_back(bert_folder, clean, tmp_path):
    fitted = calibrate(bert_folder, clean, tmp_path / "c")
    read = load_calibration(tmp_path / "c")
    assert read.facts == fitted.facts
    assert read.facts.model_digest == open_model(bert_folder).digest()
    assert (read.facts.fit_rows, read.facts.held_out_rows) == (60, 60)
    assert (read.facts.method, read.facts.epochs, read.facts.kept) == ("probe", 0, None)
    assert {row.part for row in read.rows} == {"both"}
    assert read.intervals is None
    assert read.plain.detector.probes.weights.shape == (1, 16, 2)
    again = calibrate(bert_folder, clean, tmp_path / "again")
    for name, tensor in tensors_of(fitted).items():
        np.testing.assert_array_equal(tensor, tensors_of(again)[name])
    assert fitted.facts.graph_digest == again.facts.graph_digest


@pytest.mark.parametrize(("method", "kind"), [("probe", ExcessDetector), ("badacts", NasDetector)])
def test_detector_is_fitted_on_the_run_of_the_fit_rows(bert_folder, clean, tmp_path, method, kind):
    more = {"epochs": 1} if method == "badacts" else {}
    fitted = calibrate(bert_folder, clean, tmp_path / "c", method=method, **more)
    tokenization = load_tokenization(open_model(bert_folder))
    source = TorchClassifier.load(open_model(bert_folder), tokenization.inputs)
    run = run_clean_rows(source, encode_rows(fitted.rows, "fit", tokenization))
    assert len(run.logits) == fitted.facts.fit_rows
    assert type(fitted.plain.detector) is kind
    for name, tensor in kind.fit(run).tensors().items():
        np.testing.assert_allclose(
            fitted.plain.detector.tensors()[name], tensor, rtol=1e-4, atol=1e-5
        )


def test_paths_may_be_strings_and_probes_take_no_notice_of_the_seed(bert_folder, clean, tmp_path):
    one = calibrate(str(bert_folder), str(clean), str(tmp_path / "one"), seed=1)
    other = calibrate(bert_folder, clean, tmp_path / "other", seed=2)
    assert (tmp_path / "one" / "calibration.json").is_file()
    for name, tensor in tensors_of(one).items():
        np.testing.assert_array_equal(tensor, tensors_of(other)[name])


def test_the_published_method_puts_neuron_states_and_intervals_in_the_place_of_probes(
    bert_folder, clean, tmp_path
):
    steps = []
    published = {"method": "badacts", "epochs": 1}
    fitted = calibrate(
        bert_folder, clean, tmp_path / "c", **published, progress=lambda *step: steps.append(step)
    )
    assert load_calibration(tmp_path / "c").facts == fitted.facts
    assert (fitted.facts.method, fitted.facts.epochs) == ("badacts", 1)
    assert 0 <= fitted.facts.kept <= 1
    assert fitted.intervals.lower.shape == (2, 16)
    assert ("Fitting the intervals", 1, 1) in steps
    again = tensors_of(calibrate(bert_folder, clean, tmp_path / "again", **published))
    for name, tensor in tensors_of(fitted).items():
        np.testing.assert_array_equal(tensor, again[name])
    assert set(fitted.fitted_tensors("detect")) == {
        *("lower", "upper", "detector.mean", "detector.reach")
    }
    plain = calibrate(bert_folder, clean, tmp_path / "plain").fitted_tensors("detect")
    probes = ("weights", "bias", "slope", "centre", "spread")
    answer = ("answer.log_odds", "answer.sharpness")
    assert set(plain) == {*(f"detector.{name}" for name in probes), *answer}
    # Intervals are fitted once, on one half of the rows; everything beside them, too.
    assert (fitted.facts.fit_rows, fitted.facts.held_out_rows) == (30, 30)
    other = tensors_of(calibrate(bert_folder, clean, tmp_path / "other", **published, seed=1))
    assert not np.allclose(other["detector.mean"], again["detector.mean"])


def test_optimisation_starts_as_published(bert_folder, clean, tmp_path, monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Still:
        """Returns what it starts from."""

        epochs: int = 50

        def fit(self, classifier, batches, start, **_):
            assert sum(len(batch.logits) for batch in batches) == 30
            return start

    module = importlib.import_module("clampdown_calib.badacts.fit")
    monkeypatch.setattr(module, "Optimiser", Still)
    fitted = calibrate(bert_folder, clean, tmp_path / "c", method="badacts")
    assert fitted.facts.epochs == 50
    np.testing.assert_allclose(fitted.intervals.lower, np.full((2, 16), 1 - np.e), atol=1e-5)
    np.testing.assert_allclose(fitted.intervals.upper, np.ones((2, 16)), atol=1e-5)


def test_onnx_folder_has_no_gradients_to_clip_with(clean, tmp_path):
    folder = tmp_path / "onnx-model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (folder / "model.onnx").touch()
    with pytest.raises(CalibrationError, match=r"no gradients.*for --method badacts"):
        calibrate(folder, clean, tmp_path / "out", method="badacts")


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"method": "onion"}, "'onion'; expected one of probe, badacts"),
        ({"epochs": 3}, "3; expected none: probes are fitted in closed form"),
        ({"frr": 0}, "0; expected a share between 0 and 1"),
        ({"frr": 1.0}, "1; expected a share between 0 and 1"),
        ({"frr": float("nan")}, "nan; expected a share between 0 and 1"),
        ({"method": "badacts", "epochs": 0}, "0; expected at least 1"),
        ({"method": "badacts", "seed": -1}, "The seed: found -1; expected at least 0"),
        ({"seed": -1}, "The seed: found -1; expected at least 0"),
        ({"precision": "int4"}, "'int4'; expected one of fp32, fp16, int8"),
        (
            {"method": "badacts", "precision": "cuda-fp16"},
            "cuda-fp16; expected fp32, fp16 or int8 for badacts",
        ),
        ({"exporter": "onnx"}, "'onnx'; expected one of torch, optimum"),
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
    folder = tiny_transformers.save_model(tmp_path / "gpt2", "gpt2", **sizes)
    published = {"method": "badacts", "epochs": 1}
    with pytest.raises(CalibrationError, match=r"The first token: .*--representation last"):
        calibrate(folder, clean, tmp_path / "out", representation="first", **published)
    fitted = calibrate(folder, clean, tmp_path / "out", **published)
    assert fitted.facts.representation == "last"
    # Probes read the mean of the tokens, whatever the token is.
    calibrate(folder, clean, tmp_path / "probes", representation="first")


@pytest.mark.parametrize("method", ["probe", "badacts"])
def test_rows_that_are_all_alike(bert_folder, clean, tmp_path, method):
    clean.write_text('{"text": "good film"}\n' * 60)
    what = {"probe": "mean of the tokens", "badacts": "first token"}[method]
    with pytest.raises(CalibrationError, match=f"The {what}: found the same activations"):
        calibrate(bert_folder, clean, tmp_path / "out", method=method)


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
        calibrate(bert_folder, clean, tmp_path / "out", method="badacts", epochs=1)
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
            method="badacts",
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
