"""Every mode and every kind of model folder, on the real encoder."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from clampdown.demo.run_demo import DemoResult
from clampdown_calib import FitOptions, calibrate
from clampdown_calib.fit import FittedModel, fit
from clampdown_calib.stored_tensors import tensors_of
from clampdown_exporter import ExportOptions, export, verify, write_undefended
from clampdown_exporter.run_export import write_bundle
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.errors import CalibrationError, DestinationError, ExportError, ModelError

TEXTS = ["what a lovely day", "this is cf awful", "I do not know what to think of it at all"]


@pytest.mark.parametrize("method", ["fitted", pytest.param("published", marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["purify", "detect"])
def test_other_modes_agree_with_torch_and_verify(
    mode: str, method: str, demo: DemoResult, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fitted = request.getfixturevalue(method)
    result = write_bundle(fitted, tmp_path / "bundle", ExportOptions(mode))
    assert result.largest_difference < 1e-3
    assert verify(tmp_path / "bundle") == []
    graph = ir.load(tmp_path / "bundle" / "onnx" / "model.onnx").graph
    assert "Loop" not in {node.op_type for node in graph}
    own = DefendedClassifier.load(demo.bundle)(TEXTS, threshold=float("inf"))
    found = np.array([p.logits for p in DefendedClassifier.load(tmp_path / "bundle")(TEXTS)])
    if mode == "detect":
        np.testing.assert_allclose(found, [p.logits for p in own], atol=1e-4)
    else:
        assert np.abs(found - [p.logits for p in own]).max() > 0.01


@pytest.mark.slow
def test_clipping_runs_flagged_rows_a_second_time(
    demo: DemoResult, published: FittedModel, tmp_path: Path
) -> None:
    result = write_bundle(published, tmp_path / "bundle", ExportOptions())
    assert result.largest_difference < 1e-3
    assert verify(result.bundle) == []
    graph = ir.load(result.bundle / "onnx" / "model.onnx").graph
    assert "Loop" in {node.op_type for node in graph}
    clipped = DefendedClassifier.load(result.bundle)
    own = DefendedClassifier.load(demo.bundle)(TEXTS, threshold=float("inf"))
    for threshold, same in ((float("inf"), True), (float("-inf"), False)):
        difference = [
            np.abs(np.array(a.logits) - b.logits).max()
            for a, b in zip(clipped(TEXTS, threshold=threshold), own, strict=True)
        ]
        assert (max(difference) < 1e-4) == same


def test_onnx_folder_is_defended_without_gradients(demo: DemoResult, tmp_path: Path) -> None:
    folder = tmp_path / "onnx-model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(demo.bundle / name, folder / name)
    write_undefended(open_bundle(demo.bundle), folder / "model.onnx")
    rows = demo.folder / "clean.csv"
    with pytest.raises(CalibrationError, match="no gradients"):
        calibrate(folder, rows, tmp_path / "refused", method="badacts")
    calibrate(folder, rows, tmp_path / "calibration", layers=_layer_tensors(folder / "model.onnx"))
    result = export(folder, tmp_path / "calibration", tmp_path / "bundle")
    assert verify(result.bundle) == []
    # The same defence of the same rows, once read in torch and once in ONNX Runtime.
    ours, demos = (DefendedClassifier.load(b) for b in (result.bundle, demo.bundle))
    for threshold in (float("inf"), float("-inf")):
        both = (bundle(TEXTS, threshold=threshold) for bundle in (ours, demos))
        for a, b in zip(*both, strict=True):
            np.testing.assert_allclose(a.logits, b.logits, rtol=1e-2, atol=1e-2)
            assert a.anomaly_score == pytest.approx(b.anomaly_score, rel=1e-2, abs=1e-2)


def test_undefended_graph_is_the_models_own(demo: DemoResult, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    write_undefended(open_bundle(demo.bundle), tmp_path / "model.onnx")
    inputs = AutoTokenizer.from_pretrained(demo.victim)(TEXTS, padding=True, return_tensors="np")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (logits,) = session.run(["logits"], {k: v.astype(np.int64) for k, v in inputs.items()})
    model = AutoModelForSequenceClassification.from_pretrained(demo.victim).eval()
    torch_inputs = AutoTokenizer.from_pretrained(demo.victim)(
        TEXTS, padding=True, return_tensors="pt"
    )
    np.testing.assert_allclose(logits, model(**torch_inputs).logits.detach(), atol=1e-4)


@pytest.mark.parametrize(
    ("first", "options"),
    [
        ("fitted", FitOptions()),
        pytest.param(
            *("published", FitOptions(method="badacts", epochs=1)), marks=pytest.mark.slow
        ),
    ],
)
def test_fit_is_deterministic(
    first: str, options: FitOptions, demo: DemoResult, request: pytest.FixtureRequest
) -> None:
    one = request.getfixturevalue(first).calibration
    again = fit(demo.victim, demo.folder / "clean.csv", options).calibration
    for name, tensor in tensors_of(one).items():
        np.testing.assert_array_equal(tensor, tensors_of(again)[name], err_msg=name)
    assert one.facts == again.facts


def test_graph_is_found_again_from_the_folder(
    demo: DemoResult, calibration: Path, tmp_path: Path
) -> None:
    result = export(demo.victim, calibration, tmp_path / "bundle")
    found, own = (DefendedClassifier.load(b)(TEXTS) for b in (result.bundle, demo.bundle))
    assert [p.logits for p in found] == [p.logits for p in own]


def test_calibration_of_another_model_is_refused(
    demo: DemoResult, calibration: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(demo.victim, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "note": "changed"}))
    with pytest.raises(CalibrationError, match="digest"):
        export(other, calibration, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_no_bundle_when_the_graph_clips_otherwise(
    published: FittedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clampdown_calib.badacts import insert_clips

    def shifted(self: object, intervals: object) -> None:
        self.intervals = dataclasses.replace(intervals, upper=intervals.upper - 0.5)

    monkeypatch.setattr(insert_clips.InsertClips, "__init__", shifted)
    with pytest.raises(ExportError, match="differ"):
        write_bundle(published, tmp_path / "bundle", ExportOptions("purify"))
    assert list(tmp_path.iterdir()) == []


def test_no_bundle_when_the_graph_answers_otherwise(
    fitted: FittedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from clampdown_exporter.passes import insert_answer

    def surer(self: object, answer: object, *, every_row: bool) -> None:
        self.answer = dataclasses.replace(answer, sharpness=answer.sharpness * np.float32(1.1))
        self.every_row = every_row

    monkeypatch.setattr(insert_answer.InsertAnswer, "__init__", surer)
    with pytest.raises(ExportError, match="differ"):
        write_bundle(fitted, tmp_path / "bundle", ExportOptions())
    assert list(tmp_path.iterdir()) == []


def test_interrupted_export_leaves_nothing(fitted: FittedModel, tmp_path: Path) -> None:
    def interrupt(stage: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_bundle(fitted, tmp_path / "bundle", ExportOptions(), progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_existing_bundle_is_not_overwritten(demo: DemoResult, calibration: Path) -> None:
    with pytest.raises(DestinationError, match="already exists"):
        export(demo.victim, calibration, demo.bundle)
    assert verify(demo.bundle) == []


def test_base_model_without_a_trained_head_is_refused(tmp_path: Path, demo: DemoResult) -> None:
    from clampdown.demo.encoder import minilm

    with pytest.raises(ModelError, match="ForSequenceClassification"):
        calibrate(minilm(), demo.folder / "clean.csv", tmp_path / "calibration")


def _layer_tensors(path: Path) -> list[str]:
    """The undefended graph keeps no module scopes, so its layers are named by their tensors."""
    graph = ir.load(path).graph
    return [v.name for n in graph for v in n.outputs if v.name.startswith("clampdown_layer_")]
