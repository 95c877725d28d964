"""The commands that report print the same facts as text and as one JSON object."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from measured_samples import EVALUATION

from clampdown import Diagnosis, Evaluation
from clampdown.measure import memory
from clampdown_runtime import RowFormat
from clampdown_runtime.bundle.digests import file_digest

DIAGNOSIS = Diagnosis(
    python="3.11.9",
    platform="Linux",
    onnxruntime={"onnxruntime": "1.30.0"},
    available=("CPUExecutionProvider",),
    usable=("CPUExecutionProvider",),
    unusable={},
    gpu_libraries={"libcuda.so.1": False},
    packages={"torch": None, "numpy": "2.0.0"},
    problem=None,
)


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\ngood,1\nbad film,0\ncf,0\n")
    return path


@pytest.mark.usefixtures("negated")
def test_evaluate(invoke, pristine, rows):
    result = invoke(
        "evaluate", pristine, "--clean", rows, "--poisoned", rows, "--target-label", "1", "--json"
    )
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    found = json.loads(result.stdout)
    assert set(found) == {field.name for field in dataclasses.fields(Evaluation)}
    assert set(found["defended"]) == set(found["undefended"]) == {*("cacc", "pacc", "asr", "tacc")}
    assert found["target_label"] == "positive"
    assert found["defended"]["cacc"] + found["undefended"]["cacc"] == pytest.approx(100)
    assert found["defended"]["tacc"] + found["undefended"]["tacc"] == pytest.approx(100)
    assert found["right_to_wrong"] + found["wrong_to_right"] == 3


@pytest.mark.usefixtures("negated")
def test_evaluate_without_poisoned_rows_prints_what_it_knows(invoke, pristine, rows):
    lines = invoke("evaluate", pristine, "--clean", rows).stdout.splitlines()
    assert lines[0].split() == ["undefended", "defended"]
    names = [line.split()[0] for line in lines if line]
    assert names == ["undefended", "CACC", "clean", "FRR", "rows"]


@pytest.mark.usefixtures("negated")
def test_evaluate_without_poisoned_rows_of_the_target_leaves_out_what_is_of_them(
    invoke, pristine, rows, tmp_path
):
    of_label = {}
    for label in ("0", "1"):
        path = tmp_path / f"poisoned-{label}.csv"
        path.write_text(f"text,label\ngood cf,{label}\nbad cf,{label}\n")
        options = ("--clean", rows, "--poisoned", path, "--target-label", "1")
        lines = invoke("evaluate", pristine, *options).stdout.splitlines()
        of_label[label] = [line.split()[0] for line in lines if line]
    assert of_label["0"] == [
        *("undefended", "CACC", "PACC", "ASR", "clean", "FRR", "FAR", "AUROC", "rows")
    ]
    assert of_label["1"] == ["undefended", "CACC", "TACC", "clean", "FRR", "rows"]


def test_evaluate_prints_a_table(invoke, monkeypatch):
    seen = {}

    def evaluate(bundle, clean, **keys):
        seen.update(keys, bundle=bundle, clean=clean)
        return EVALUATION

    monkeypatch.setattr(sys.modules["clampdown.cli.commands.evaluate"], "evaluate_bundle", evaluate)
    columns = ("--text-column=t", "--label-column=y", "--delimiter=;")
    result = invoke("evaluate", "b", "--clean=c", "--poisoned=p", "--target-label=x", *columns)
    del seen["progress"]
    assert seen == {
        "bundle": Path("b"),
        "clean": Path("c"),
        "poisoned": Path("p"),
        "target_label": "x",
        "row_format": RowFormat("t", "y", ";"),
        "provider": "cpu",
        "expected_digest": None,
    }
    assert result.stdout.splitlines() == [
        "          undefended  defended",
        "CACC (%)        86.2      84.9",
        "PACC (%)         0.0      78.5",
        "ASR (%)        100.0      21.5",
        "TACC (%)        99.0      91.0",
        "",
        "clean answers changed  31 from right to wrong, 18 from wrong to right",
        "FRR (%)                9.8",
        "FAR (%)                4.1",
        "AUROC                  0.970",
        "rows                   1000 clean, 500 poisoned towards positive; 3 too long for the "
        "model and seen in part",
    ]


def test_evaluate_help_says_what_every_figure_is_of(invoke):
    shown = " ".join(invoke("evaluate", "--help").stdout.split())
    for sentence in (
        "CACC is the accuracy on clean rows and FRR the share of them that is flagged.",
        "With poisoned rows whose true label is not the target: PACC, the accuracy on them; ASR, "
        "the share of them that gets the target label; FAR, the share of them that is not flagged.",
        "TACC is the accuracy on poisoned rows whose true label is the target.",
        "AUROC, 0 to 1, is the chance that a poisoned row has a higher anomaly score than a clean "
        "one.",
    ):
        assert sentence in shown


@pytest.mark.usefixtures("negated")
def test_evaluate_reads_columns_of_other_names_and_says_what_it_left(invoke, pristine, rows):
    rows.write_text(rows.read_text().replace("text,label", "review;Label").replace(",", ";"))
    options = ("--clean", rows, "--delimiter", ";", "--text-column", "review")
    result = invoke("evaluate", pristine, *options)
    assert result.exit_code == 2
    warning, error = result.stderr.splitlines()
    assert warning == (
        f"warning: {rows}: no column `label` (found: Label); pass --label-column Label"
    )
    assert error.startswith(f"error: {rows}, line 2: found no label")
    result = invoke("evaluate", pristine, *options, "--label-column", "Label")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.rstrip().endswith("3 clean")


def test_evaluate_needs_a_target(invoke, pristine, rows):
    result = invoke("evaluate", pristine, "--clean", rows, "--poisoned", rows)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: the poisoned rows: found no target label")


@pytest.mark.usefixtures("negated")
def test_bench(invoke, pristine, monkeypatch):
    monkeypatch.setattr(memory, "_PROCESSES", 1)
    options = ("--threads=1", "--batch-size=2", "--length=5", "--length=7", "--repeats=1")
    result = invoke("bench", pristine, *options, "--json")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    found = json.loads(result.stdout)
    assert set(found) == {
        "rows",
        "frr",
        "memory",
        "memory_ratio",
        "undefended_file_bytes",
        "defended_file_bytes",
        "file_ratio",
    }
    assert [(row["batch_size"], row["length"]) for row in found["rows"]] == [(2, 5), (2, 7)]
    table = invoke("bench", pristine, *options).stdout.splitlines()
    assert table[0].startswith("threads")
    assert [line.split()[:3] for line in table[1:3]] == [["1", "2", "5"], ["1", "2", "7"]]
    assert table[-1] == "FRR of clean  4.0 %"


@pytest.mark.usefixtures("without_safetensors")
def test_inspect(invoke, pristine):
    found = json.loads(invoke("inspect", pristine, "--json").stdout)
    manifest = json.loads((pristine / "clampdown.json").read_text())
    assert {key: found[key] for key in manifest} == manifest
    assert set(found) - set(manifest) == {"digest", "sizes", "widths", "note"}
    assert found["digest"] == file_digest(pristine / "clampdown.json")
    assert found["widths"] is None
    text = invoke("inspect", pristine).stdout
    for shown in (
        found["digest"],
        "tiny (bert)",
        "detect-then-purify",
        "encoder.layer.0",
        "no interval widths",
    ):
        assert shown in text
    assert all(digest in text for digest in manifest["files"].values())


@pytest.mark.usefixtures("without_safetensors")
def test_inspect_shows_no_control_characters(invoke, bundle_path, seal):
    (bundle_path / "a\x1b[2J").touch()
    seal(bundle_path, layers=["encoder\x1b[31m"], labels=["a\x9b", "b\nc"])
    result = invoke("inspect", bundle_path, color=True)
    assert result.exit_code == 0
    assert all(line.isprintable() for line in result.stdout.split("\n"))
    assert r"encoder\x1b[31m" in result.stdout


def test_inspect_shows_the_widths(invoke, bundle_path, seal):
    import numpy as np
    from safetensors.numpy import save_file

    save_file(
        {"lower": np.zeros((1, 3), np.float32), "upper": np.array([[1, 2, 4]], np.float32)},
        bundle_path / "calibration.safetensors",
    )
    seal(bundle_path)
    found = json.loads(invoke("inspect", bundle_path, "--json").stdout)
    assert found["widths"] == [
        {"layer": "encoder.layer.0", "smallest": 1.0, "median": 2.0, "largest": 4.0}
    ]
    text = invoke("inspect", bundle_path).stdout
    assert "encoder.layer.0           1.000   2.000    4.000" in text


@pytest.fixture
def diagnosed(monkeypatch):
    def replace(**keys):
        diagnosis = dataclasses.replace(DIAGNOSIS, **keys)
        command = sys.modules["clampdown.cli.commands.doctor"]
        monkeypatch.setattr(command, "examine", lambda: diagnosis)

    return replace


def test_doctor(invoke, diagnosed):
    diagnosed()
    result = invoke("doctor", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == json.loads(json.dumps(dataclasses.asdict(DIAGNOSIS)))
    assert invoke("doctor").stdout.splitlines() == [
        "Python                3.11.9 on Linux",
        "ONNX Runtime          onnxruntime 1.30.0",
        "CPUExecutionProvider  usable",
        "libcuda.so.1          -",
        "torch                 -",
        "numpy                 2.0.0",
    ]


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_doctor_fails_when_nothing_is_usable(invoke, diagnosed, options):
    diagnosed(usable=(), unusable={"CPUExecutionProvider": "broken"}, problem="no build")
    result = invoke("doctor", *options)
    assert result.exit_code == 1
    assert "broken" in result.stdout
    if not options:
        assert result.stderr == "error: no build\n"
