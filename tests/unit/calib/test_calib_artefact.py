"""The calibration folder: what is written is read back, and every kind of damage is refused."""

import json
from typing import get_args

import numpy as np
import pytest
import tiny_models

from clampdown_calib import Calibration, CalibrationFacts, load_calibration
from clampdown_calib.artefact import PurificationMethod, save_calibration, write_tensors
from clampdown_calib.clean_rows import CleanRow
from clampdown_calib.detectors import DETECTORS
from clampdown_calib.intervals import Intervals
from clampdown_runtime import CalibrationError, DestinationError
from clampdown_runtime.digests import file_digest


def calibration(detector="fusion", purification="clip"):
    clips = purification != "votes"
    return Calibration(
        CalibrationFacts(
            model_digest="sha256:" + "0" * 64,
            model_name="tiny",
            model_type="bert",
            labels=("a", "b", "c"),
            layers=("layer.0", "layer.1"),
            representation="first",
            detector=detector,
            purification=purification,
            epochs=6 * clips,
            frr=0.1,
            seed=0,
            fit_rows=1,
            held_out_rows=1,
            kept=0.98 if clips else None,
        ),
        tiny_models.readout(),
        tiny_models.intervals() if clips else tiny_models.votes(),
        DETECTORS[detector].fit(tiny_models.seen(tiny_models.batch(40, 6))),
        (CleanRow("one\u2028line", 1, "fit"), CleanRow("Käfer", None, "held-out")),
    )


@pytest.fixture
def folder(tmp_path):
    save_calibration(calibration(), tmp_path / "calibration")
    return tmp_path / "calibration"


@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize("purification", get_args(PurificationMethod))
def test_what_is_written_is_read_back(tmp_path, detector, purification):
    written = calibration(detector, purification)
    save_calibration(written, tmp_path / "c")
    read = load_calibration(tmp_path / "c")
    assert read.facts == written.facts
    assert read.rows == written.rows
    assert type(read.detector) is type(written.detector)
    assert set(read.tensors()) == set(written.tensors())
    for name, tensor in written.tensors().items():
        np.testing.assert_array_equal(read.tensors()[name], tensor)
    assert (read.intervals is None) == (purification == "votes")
    assert read.summary() == written.summary()
    assert ("mean_widths" in read.summary()) == (purification != "votes")


def test_same_calibration_gives_the_same_bytes(tmp_path, folder):
    save_calibration(calibration(), tmp_path / "again")
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_existing_folder_is_not_overwritten(folder):
    with pytest.raises(DestinationError, match="already exists"):
        save_calibration(calibration(), folder)


def refused(folder, pattern):
    with pytest.raises(CalibrationError, match=pattern) as caught:
        load_calibration(folder)
    assert str(folder) in str(caught.value)


def edit(folder, **changes):
    path = folder / "calibration.json"
    facts = json.loads(path.read_text())
    for key, value in changes.items():
        facts.pop(key) if value is ... else facts.update({key: value})
    path.write_text(json.dumps(facts))


def test_missing_folder(tmp_path):
    refused(tmp_path / "nothing", "no such file")


@pytest.mark.parametrize("name", ["calibration.json", "calibration.safetensors", "rows.jsonl"])
def test_missing_file(folder, name):
    (folder / name).unlink()
    refused(folder, f"{name}: found no such file")


@pytest.mark.parametrize(
    "changes",
    [
        *({f"votes.{name}": None} for name in ("weights", "bias", "scale")),
        {"votes.weights": np.zeros((2, 6, 3), np.float32)},
        {"votes.weights": np.zeros((1, 6, 2), np.float32)},
        {"votes.bias": np.zeros(3, np.float32)},
        {"votes.scale": np.zeros(2, np.float32)},
        {"votes.word_weights": None},
        {"votes.word_bias": None},
        {"votes.word_weights": np.zeros((1, 6, 2), np.float32)},
        {"votes.word_bias": np.zeros(3, np.float32)},
    ],
)
def test_votes_that_are_none(tmp_path, changes):
    folder = tmp_path / "calibration"
    written = calibration(purification="votes")
    save_calibration(written, folder)
    tensors = {k: v for k, v in {**written.tensors(), **changes}.items() if v is not None}
    write_tensors(folder / "calibration.safetensors", tensors)
    reseal(folder)
    refused(folder, r"the votes' tensors.*expected \{'weights': \(1, 6, 3\)")


@pytest.mark.parametrize("name", ["calibration.safetensors", "rows.jsonl"])
def test_changed_file(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    refused(folder, f"{name}: found changed contents")


@pytest.mark.parametrize("text", ["", "{", "[1", "\udcff", "[" * 100_000])
def test_text_that_is_not_json(folder, text):
    (folder / "calibration.json").write_text(text, errors="surrogateescape")
    refused(folder, "calibration.json: found")


@pytest.mark.parametrize("version", [2, 0, "1", None, True, ...])
def test_other_version(folder, version):
    edit(folder, format_version=version)
    refused(folder, "format version")


def test_text_that_is_no_object(folder):
    (folder / "calibration.json").write_text("[1]")
    refused(folder, "format version None")


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"surprise": 1}, r"unknown or missing keys \['surprise'\]"),
        ({"layers": ...}, r"unknown or missing keys \['layers'\]"),
        ({"clampdown_version": ...}, r"unknown or missing keys \['clampdown_version'\]"),
        ({"files": ...}, r"unknown or missing keys \['files'\]"),
        ({"files": {"rows.jsonl": "x"}}, "digests of calibration.safetensors and rows.jsonl"),
        ({"detector": "onion"}, "detector 'onion'"),
        ({"detector": ["nas"]}, "detector"),
        ({"labels": 3}, "labels 3"),
        ({"layers": []}, "layers"),
        ({"layers": ["one"]}, "bound for every neuron of 1 layers"),
        ({"labels": ["a", "b"]}, "weights, bias and spread of 2 classes"),
        ({"layers": [*"abcdef"]}, "the readout's tensors"),
        ({"representation": "middle"}, "representation 'middle'"),
        ({"purification": "fast"}, "purification 'fast'"),
        ({"purification": ...}, r"unknown or missing keys \['purification'\]"),
        ({"frr": 2}, "frr 2"),
        ({"frr": "0.1"}, "frr '0.1'"),
        ({"seed": -1}, "seed -1"),
        ({"kept": "all"}, "kept 'all'"),
        ({"detector": "nas"}, "the detector's tensors"),
    ],
)
def test_facts_that_do_not_follow_the_format(folder, changes, pattern):
    edit(folder, **changes)
    refused(folder, pattern)


def reseal(folder):
    names = ("calibration.safetensors", "rows.jsonl")
    edit(folder, files={name: file_digest(folder / name) for name in names})


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"lower": np.zeros((2, 6), np.float32)},
        {"lower": np.ones((2, 6), np.float32), "upper": np.zeros((2, 6), np.float32)},
        {"lower": np.zeros((2, 6), np.float32), "upper": np.full((2, 6), np.nan, np.float32)},
        {"lower": np.zeros((2, 6), np.float32), "upper": np.ones((2, 1), np.float32)},
    ],
)
def test_bounds_that_are_none(folder, bounds):
    fitted = calibration().tensors()
    kept = {name: tensor for name, tensor in fitted.items() if name not in ("lower", "upper")}
    write_tensors(folder / "calibration.safetensors", {**kept, **bounds})
    reseal(folder)
    refused(folder, "a lower and an upper bound")


@pytest.mark.parametrize(
    "changes",
    [
        *({f"readout.{name}": None} for name in ("weights", "bias", "spread")),
        {"readout.weights": np.zeros((2, 6, 3), np.float32)},
        {"readout.weights": np.zeros((6, 3), np.float32)},
        {"readout.weights": np.zeros(3, np.float32)},
        {"readout.bias": np.zeros((1, 3), np.float32)},
        {"readout.spread": np.zeros(3, np.float32)},
    ],
)
@pytest.mark.parametrize("purification", get_args(PurificationMethod))
def test_readout_that_is_none(tmp_path, purification, changes):
    folder = tmp_path / "calibration"
    written = calibration(purification=purification)
    save_calibration(written, folder)
    tensors = {k: v for k, v in {**written.tensors(), **changes}.items() if v is not None}
    write_tensors(folder / "calibration.safetensors", tensors)
    reseal(folder)
    refused(folder, "the readout's tensors.*expected weights, bias and spread of 3 classes")


@pytest.mark.parametrize("name", ["calibration.safetensors", "rows.jsonl"])
def test_file_that_was_never_right(folder, name):
    (folder / name).write_bytes(b"\xff nothing")
    reseal(folder)
    refused(folder, "contents that cannot be read")


def test_widths_are_upper_less_lower():
    widths = Intervals(np.float32([[1, 2]]), np.float32([[4, 2]])).widths
    assert widths.tolist() == [[3, 0]]
