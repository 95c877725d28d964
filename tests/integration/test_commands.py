"""Every command on the demo's folder, as a user would type it."""

import csv
import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from clampdown.cli.main import main
from clampdown.demo.run_demo import DemoResult


def clampdown(*arguments: object, status: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result


def test_calibrate_then_export_then_verify(demo: DemoResult, tmp_path: Path) -> None:
    calibration, bundle = tmp_path / "calibration", tmp_path / "bundle"
    facts = json.loads(
        clampdown(
            "calibrate",
            demo.victim,
            *("--clean", demo.folder / "clean.csv", "--out", calibration),
            *("--method", "badacts", "--layers", "-2,-1", "--frr", 0.2),
            *("--epochs", 1, "--json"),
        ).stdout
    )
    assert facts["layers"] == ["bert.encoder.layer.4", "bert.encoder.layer.5"]
    exported = json.loads(
        clampdown(
            "export", demo.victim, "--calibration", calibration, "--out", bundle, "--json"
        ).stdout
    )
    assert exported["frr"] == 0.2 and 0.1 < exported["frr_measured"] <= 0.2
    assert 0 <= exported["largest_difference"] < 1e-3
    clampdown("verify", bundle)
    (bundle / "note.txt").write_text("not listed")
    assert "note.txt" in clampdown("verify", bundle, status=1).output


def test_evaluate_equals_the_demos_own_figures(demo: DemoResult) -> None:
    result = json.loads(
        clampdown(
            "evaluate",
            demo.bundle,
            *("--clean", demo.folder / "clean-test.csv"),
            *("--poisoned", demo.folder / "poisoned-test.csv", "--target-label", "positive"),
            "--json",
        ).stdout
    )
    for model in ("defended", "undefended"):
        expected = dataclasses.asdict(getattr(demo.evaluation, model))
        assert result[model] == pytest.approx(expected)
    flips = ("right_to_wrong", "wrong_to_right")
    assert [result[flip] for flip in flips] == [getattr(demo.evaluation, flip) for flip in flips]


def test_plain_sentences_are_counted_as_in_the_demo(demo: DemoResult) -> None:
    rows = demo.folder / "plain-sentences.csv"
    result = json.loads(clampdown("evaluate", demo.bundle, "--clean", rows, "--json").stdout)
    right = demo.plain_undefended, demo.plain_defended
    found = (result[model]["cacc"] / 100 * 40 for model in ("undefended", "defended"))
    assert tuple(found) == pytest.approx(right)


def test_run_gives_one_line_a_text_in_order(demo: DemoResult) -> None:
    rows = demo.folder / "poisoned-test.csv"
    lines = clampdown("run", demo.bundle, "--input", rows, "--json").stdout.splitlines()
    predictions = [json.loads(line) for line in lines]
    assert len(predictions) == 800
    with rows.open(encoding="utf-8", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    # What triggered rows of the target are flagged is no failure of the defence.
    attacked = [p for p, label in zip(predictions, labels, strict=True) if label == "0"]
    assert len(attacked) == 400
    flagged = sum(prediction["flagged"] for prediction in attacked)
    assert flagged == pytest.approx(400 * (1 - demo.evaluation.far / 100), abs=1)
    alone = json.loads(clampdown("run", demo.bundle, "a nice day", "--json").stdout)
    assert set(alone) >= {"label", "probability", "anomaly_score", "flagged", "logits"}


def test_inspect_threshold_and_bench(bundle_copy: Path) -> None:
    before = json.loads(clampdown("inspect", bundle_copy, "--json").stdout)
    clampdown("threshold", bundle_copy, "--value", before["threshold"] + 1)
    after = json.loads(clampdown("inspect", bundle_copy, "--json").stdout)
    assert after["threshold"] == pytest.approx(before["threshold"] + 1)
    assert after["frr"] is None
    clampdown("verify", bundle_copy)
    measured = json.loads(
        clampdown(
            "bench", bundle_copy, "--threads", 1, "--batch-size", 1, "--length", 8, "--json"
        ).stdout
    )
    (row,) = measured["rows"]
    assert row["flagged_ratio"] > 0 and row["unflagged_ratio"] > 0
    assert 1 < measured["file_ratio"] < 1.02


def test_runtime_alone_runs_a_bundle(demo: DemoResult) -> None:
    """In a process in which nothing but the runtime's dependencies can be imported."""
    code = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "onnx", "onnx_ir", "safetensors",
                                  "jinja2", "clampdown_calib", "clampdown_exporter"}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
from clampdown_runtime import DefendedClassifier
print(DefendedClassifier.load(sys.argv[1])(["a nice day"])[0].label)
"""
    found = subprocess.run(
        [sys.executable, "-c", code, str(demo.bundle)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() in {"positive", "negative"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", "no config.json"),
        ("truncated weights", "checkpoint"),
        ("few rows", "at least 40"),
        ("foreign label", "label"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(
    change: str, message: str, demo: DemoResult, tmp_path: Path
) -> None:
    model, rows = demo.victim, demo.folder / "clean.csv"
    if change == "missing":
        model = tmp_path / "empty"
        model.mkdir()
    elif change == "truncated weights":
        model = Path(shutil.copytree(demo.victim, tmp_path / "model"))
        weights = model / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-1000])
    else:
        lines = rows.read_text("utf-8").splitlines()
        rows = tmp_path / "rows.csv"
        changed = lines[:20] if change == "few rows" else [*lines, "a text,7"]
        rows.write_text("\n".join(changed) + "\n", "utf-8")
    before = sorted(tmp_path.iterdir())
    result = clampdown("defend", model, "--clean", rows, "--out", tmp_path / "bundle", status=2)
    assert "error:" in result.stderr and message in result.stderr
    assert "Traceback" not in result.stderr
    assert sorted(tmp_path.iterdir()) == before
