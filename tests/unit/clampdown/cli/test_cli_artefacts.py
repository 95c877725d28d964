"""The commands that make artefacts hand their options over; the work is replaced."""

import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest

from clampdown import defend
from clampdown_calib import FitOptions
from clampdown_exporter import ExportOptions
from clampdown_runtime import DestinationError, ExportError, LabelColumnWarning, RowFormat

DEFAULTS = {
    "layers": None,
    "representation": None,
    "method": "probe",
    "frr": 0.1,
    "epochs": None,
    "seed": 0,
    "precision": "fp32",
    "exporter": "torch",
    "provider": "cpu",
}
CHOSEN = (
    "--layers=a.0, a.1",
    "--representation=last",
    "--method=badacts",
    "--frr=0.05",
    "--epochs=3",
    "--seed=7",
    "--precision=int8",
    "--exporter=optimum",
    "--provider=cuda",
    "--allow-pickle",
)
COLUMNS = ("--text-column=Käfer", "--label-column=stars", r"--delimiter=\t")
ROW_FORMAT = RowFormat("Käfer", "stars", "\t")
CHOSEN_KEYS = {
    "layers": ("a.0", "a.1"),
    "representation": "last",
    "method": "badacts",
    "frr": 0.05,
    "epochs": 3,
    "seed": 7,
    "precision": "int8",
    "exporter": "optimum",
    "provider": "cuda",
}


def without_progress(call):
    name, arguments, keys = call
    return name, arguments, {key: value for key, value in keys.items() if key != "progress"}


@pytest.mark.parametrize(
    ("options", "expected", "row_format", "allow"),
    [
        ((), DEFAULTS, RowFormat(), False),
        ((*CHOSEN, *COLUMNS), CHOSEN_KEYS, ROW_FORMAT, True),
    ],
)
def test_calibrate(invoke, packages, tmp_path, options, expected, row_format, allow):
    out = tmp_path / "out"
    result = invoke("calibrate", "model", "--clean", "c.csv", "--out", out, *options, "--json")
    assert result.exit_code == 0, result.output
    assert [without_progress(call) for call in packages] == [
        (
            "calibrate",
            ("model", Path("c.csv"), out),
            {**expected, "allow_pickle": allow, "row_format": row_format},
        )
    ]
    assert json.loads(result.stdout) == {
        "calibration": str(out),
        "layers": ["a", "b"],
        "kept": 0.99,
    }
    assert result.stderr == ""


@pytest.mark.parametrize("command", ["calibrate", "defend"])
def test_a_warning_is_one_line(invoke, replace_package, packages, tmp_path, command):
    def warn(*_, **__):
        warnings.warn("look\nhere", LabelColumnWarning, stacklevel=2)
        return SimpleNamespace(summary=dict)

    replace_package("clampdown_calib.run_calibration", calibrate=warn)
    replace_package("clampdown_calib.fit", fit=warn)
    result = invoke(command, "model", "--clean", "c.csv", "--out", tmp_path / "out")
    assert (result.exit_code, result.stderr) == (0, "warning: look\\nhere\n")


BUNDLE = ("--mode=detect", "--format=ort", "--with-tokenizer")
BUNDLE_KEYS = {"mode": "detect", "file_format": "ort", "with_tokenizer": True}
BUNDLE_DEFAULTS = {
    "mode": "detect-then-purify",
    "file_format": "onnx",
    "with_tokenizer": False,
}


@pytest.mark.parametrize(
    ("options", "expected", "allow"),
    [((), BUNDLE_DEFAULTS, False), ((*BUNDLE, "--allow-pickle"), BUNDLE_KEYS, True)],
)
def test_export(invoke, packages, tmp_path, options, expected, allow):
    out = tmp_path / "b"
    result = invoke("export", "model", "--calibration", tmp_path, "--out", out, *options, "--json")
    assert result.exit_code == 0, result.output
    assert [without_progress(call) for call in packages] == [
        ("export", ("model", tmp_path, out), {**expected, "allow_pickle": allow})
    ]
    assert json.loads(result.stdout) == {
        "bundle": str(out),
        "largest_difference": 1e-6,
        "threshold": 4.5,
    }


@pytest.mark.parametrize(
    ("options", "fitting", "exporting", "row_format", "allow"),
    [
        ((), DEFAULTS, BUNDLE_DEFAULTS, RowFormat(), False),
        ((*CHOSEN, *BUNDLE, *COLUMNS), CHOSEN_KEYS, BUNDLE_KEYS, ROW_FORMAT, True),
    ],
)
def test_defend_fits_and_writes(
    invoke, packages, tmp_path, options, fitting, exporting, row_format, allow
):
    out = tmp_path / "bundle"
    result = invoke("defend", "model", "--clean", "c.csv", "--out", out, *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        f"bundle              {out}",
        "largest_difference  1e-06",
        "threshold           4.5",
    ]
    assert [without_progress(call) for call in packages] == [
        (
            "fit",
            ("model", Path("c.csv"), FitOptions(**fitting)),
            {"allow_pickle": allow, "row_format": row_format},
        ),
        ("write_bundle", ("fitted", out, ExportOptions(**exporting)), {}),
    ]


@pytest.mark.parametrize("wrong", [{"mode": "guess"}, {"file_format": "tflite"}])
def test_defend_refuses_options_of_the_bundle_before_it_fits(packages, tmp_path, wrong):
    with pytest.raises(ExportError, match=r"found '(guess|tflite)'; expected one of"):
        defend("model", "c.csv", tmp_path / "bundle", **wrong)
    assert packages == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_defend_refuses_a_taken_destination_before_it_fits(packages, tmp_path, kind):
    out = tmp_path / "bundle"
    if kind == "folder":
        out.mkdir()
        (out / "file").touch()
    elif kind == "file":
        out.touch()
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DestinationError, match="a new or empty folder"):
        defend("model", "c.csv", out)
    assert packages == []


def test_defend_refuses_a_destination_that_it_may_not_look_into(packages, tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DestinationError, match=f"{tmp_path}: found Permission denied"):
        defend("model", "c.csv", tmp_path)
    monkeypatch.undo()
    with pytest.raises(DestinationError, match="File name too long"):
        defend("model", "c.csv", tmp_path / ("n" * 5000))
    assert packages == []


def test_defend_takes_an_empty_folder(packages, tmp_path):
    defend("model", "c.csv", tmp_path)
    assert [name for name, *_ in packages] == ["fit", "write_bundle"]


@pytest.mark.parametrize("command", ["defend", "calibrate"])
@pytest.mark.parametrize(
    "option",
    [
        *("--frr=0", "--frr=1", "--epochs=0", "--layers=a,,b", "--method=x", "--seed=-1"),
    ],
)
def test_options_out_of_range_are_refused(invoke, packages, command, option):
    result = invoke(command, "model", "--clean", "c.csv", "--out", "o", option)
    assert result.exit_code == 2
    assert option.partition("=")[0] in result.stderr
    assert packages == []


@pytest.mark.parametrize("command", ["defend", "calibrate"])
def test_help_says_what_the_methods_are_and_which_options_are_of_one(invoke, command):
    shown = " ".join(invoke(command, "--help").stdout.split())
    assert "--method [probe|badacts]" in shown
    for sentence in (
        "probe holds the model's answer against what its earlier layers say; badacts is the "
        "published method, with neuron states and intervals, and needs a checkpoint. "
        "[default: probe]",
        "The token that the detector of badacts reads. [default: the architecture's own]",
        "Passes over the clean rows to fit the intervals of badacts. [default: 50]",
        "Of the halves and the batches of badacts; probes take none. [default: 0",
    ):
        assert sentence in shown
