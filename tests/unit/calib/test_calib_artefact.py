"""The calibration folder: what is written is read back, and every kind of damage is refused."""

import dataclasses
import json
from typing import get_args

import numpy as np
import pytest
from calibration_samples import calibration

from clampdown_calib import Calibration, Method, load_calibration
from clampdown_calib.artefact import save_calibration
from clampdown_calib.calibration import Reading
from clampdown_calib.detectors import LabelExcessDetector
from clampdown_calib.evidence.label_answer import LabelAnswer
from clampdown_calib.rows.clean_rows import CleanRow
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_calib.stored_tensors import tensors_of
from clampdown_calib.tensor_file import tensor_bytes
from clampdown_runtime import CalibrationError, DestinationError
from clampdown_runtime.bundle.digests import file_digest


@pytest.fixture
def folder(tmp_path):
    save_calibration(calibration(), tmp_path / "calibration")
    return tmp_path / "calibration"


@pytest.mark.parametrize("method", get_args(Method))
def test_what_is_written_is_read_back(tmp_path, method):
    written = calibration(method)
    save_calibration(written, tmp_path / "c")
    read = load_calibration(tmp_path / "c")
    assert read.facts == written.facts
    assert read.rows == written.rows
    assert type(read.plain.detector) is type(written.plain.detector)
    assert set(tensors_of(read)) == set(tensors_of(written))
    for name, tensor in tensors_of(written).items():
        np.testing.assert_array_equal(tensors_of(read)[name], tensor)
    assert (read.intervals is None) == (method == "probe")
    assert read.summary() == written.summary()
    assert ("mean_widths" in read.summary()) == (method == "badacts")


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


PROBE = {
    name: (1, *shape)
    for name, shape in {
        "weights": (6, 3),
        "bias": (3,),
        "slope": (),
        "centre": (),
        "spread": (),
    }.items()
}
"""Of two layers one is probed, in a model of six neurons and three classes."""


@pytest.mark.parametrize(
    "changes",
    [
        *({f"detector.{name}": None} for name in PROBE),
        {"detector.weights": np.zeros((2, 6, 3), np.float32)},
        {"detector.weights": np.zeros((1, 6, 2), np.float32)},
        {"detector.weights": np.zeros((6, 3), np.float32)},
        {"detector.weights": np.zeros(3, np.float32)},
        {"detector.bias": np.zeros(3, np.float32)},
        {"detector.bias": np.zeros((1, 2), np.float32)},
        *({f"detector.{name}": np.zeros(2, np.float32)} for name in ("slope", "centre", "spread")),
        {"detector.surprise": np.zeros(1, np.float32)},
        {"detector.bias": np.zeros((1, 3))},
        {"answer.log_odds": None},
        {"answer.sharpness": np.ones(2, np.float32)},
        {"clean.fit_scores": np.zeros(2, np.float32)},
        {"clean.held_out_scores": None},
        {"clean.undefended_logits": np.zeros((1, 2), np.float32)},
        {"clean.purified_logits": np.zeros(3, np.float32)},
        {"lower": np.zeros((2, 6), np.float32)},
    ],
)
def test_probes_that_are_none(tmp_path, changes):
    folder = tmp_path / "calibration"
    written = calibration("probe")
    save_calibration(written, folder)
    assert {name: t.shape for name, t in written.plain.detector.tensors().items()} == PROBE
    tensors = {k: v for k, v in {**tensors_of(written), **changes}.items() if v is not None}
    (folder / "calibration.safetensors").write_bytes(tensor_bytes(tensors))
    reseal(folder)
    refused(folder, "is .* and not")


@pytest.mark.parametrize(
    "changes",
    [
        {"detector.mean": None},
        {"detector.reach": None},
        {"detector.mean": np.zeros((1, 6), np.float32)},
        {"detector.reach": np.zeros((2, 5), np.float32)},
        {"detector.mean": np.zeros(6, np.float32)},
        {"detector.mean": np.float32(0)},
        {"clipped.detector.mean": None},
        {"clipped.clean.fit_scores": None},
        {"answer.log_odds": np.zeros(1, np.float32)},
    ],
)
def test_neuron_states_that_are_none(folder, changes):
    tensors = {k: v for k, v in {**tensors_of(calibration()), **changes}.items() if v is not None}
    (folder / "calibration.safetensors").write_bytes(tensor_bytes(tensors))
    reseal(folder)
    refused(folder, "is .* and not")


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


@pytest.mark.parametrize("version", [2, 4, 0, "3", 3.0, None, True, ...])
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
        ({"method": "onion"}, "method 'onion'"),
        ({"method": ["badacts"]}, "method"),
        ({"method": ...}, r"unknown or missing keys \['method'\]"),
        ({"detector": "nas"}, r"unknown or missing keys \['detector'\]"),
        ({"labels": 3}, "labels 3"),
        ({"layers": []}, "layers"),
        ({"layers": ["one"]}, "is .* and not"),
        ({"layers": [*"abcdef"]}, "is .* and not"),
        ({"precision": "int4"}, "precision 'int4'"),
        ({"exporter": ["torch"]}, "exporter"),
        ({"graph_digest": 3}, "graph_digest 3"),
        ({"representation": "middle"}, "representation 'middle'"),
        ({"frr": 2}, "frr 2"),
        ({"frr": "0.1"}, "frr '0.1'"),
        ({"seed": -1}, "seed -1"),
        ({"kept": "all"}, "kept 'all'"),
        ({"method": "probe"}, "is .* and not"),
    ],
)
def test_facts_that_do_not_follow_the_format(folder, changes, pattern):
    edit(folder, **changes)
    refused(folder, pattern)


@pytest.mark.parametrize(
    "changes",
    [{"labels": ["a", "b", "c", "d"]}, {"layers": ["one", "two", "three"]}, {"method": "badacts"}],
)
def test_facts_that_are_of_other_probes(tmp_path, changes):
    save_calibration(calibration("probe"), tmp_path / "c")
    edit(tmp_path / "c", **changes)
    refused(tmp_path / "c", "is .* and not")


def reseal(folder):
    names = ("calibration.safetensors", "rows.jsonl")
    edit(folder, files={name: file_digest(folder / name) for name in names})


@pytest.mark.parametrize(
    "bounds",
    [
        {},
        {"lower": np.zeros((2, 6), np.float32)},
        {"lower": np.zeros((1, 6), np.float32), "upper": np.ones((1, 6), np.float32)},
        {"lower": np.ones((2, 6), np.float32), "upper": np.zeros((2, 6), np.float32)},
        {"lower": np.zeros((2, 6), np.float32), "upper": np.full((2, 6), np.nan, np.float32)},
        {"lower": np.zeros((2, 6), np.float32), "upper": np.ones((2, 1), np.float32)},
    ],
)
def test_bounds_that_are_none(folder, bounds):
    fitted = tensors_of(calibration())
    kept = {name: tensor for name, tensor in fitted.items() if name not in ("lower", "upper")}
    (folder / "calibration.safetensors").write_bytes(tensor_bytes({**kept, **bounds}))
    reseal(folder)
    refused(folder, "(lower|upper) (is .* and not|bounds)|bounds that are not in order")


@pytest.mark.parametrize("name", ["calibration.safetensors", "rows.jsonl"])
def test_file_that_was_never_right(folder, name):
    (folder / name).write_bytes(b"\xff nothing")
    reseal(folder)
    refused(folder, "contents that cannot be read")


@pytest.mark.parametrize(
    "row",
    [
        {"text": 1, "label": None, "part": "fit"},
        {"text": "", "label": None, "part": "fit"},
        {"text": "good", "label": "0", "part": "fit"},
        {"text": "good", "label": 9, "part": "fit"},
        {"text": "good", "label": -1, "part": "fit"},
        {"text": "good", "label": True, "part": "fit"},
        {"text": "good", "label": None, "part": "neither"},
        {"text": "good", "label": None, "part": ["fit"]},
        {"text": "good", "label": None},
        [],
    ],
    ids=str,
)
def test_rows_that_are_none(folder, row):
    with (folder / "rows.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    reseal(folder)
    refused(folder, "contents that cannot be read")


def test_rows_nested_without_an_end(folder):
    (folder / "rows.jsonl").write_text("[" * 100_000)
    reseal(folder)
    refused(folder, "contents that cannot be read")


@pytest.mark.parametrize("name", ["calibration.safetensors", "rows.jsonl"])
def test_a_link_out_of_the_folder(folder, tmp_path, name):
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    refused(folder, "a link that leaves the folder")


@pytest.fixture
def many(tmp_path):
    """A calibration of a model of three labels, as a folder."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (60, 3))
    states = (rng.normal(size=(60, 2, 6)) + labels.repeat(2, axis=1)[:, None]).astype(np.float32)
    logits = (4 * labels - 2 + rng.normal(size=(60, 3))).astype(np.float32)
    run = CleanRun(states, states, logits, labels)
    detector, unseen = LabelExcessDetector.cross_fit(run)
    answer = LabelAnswer.fit(run, unseen, 1.0)
    fitted = Calibration(
        dataclasses.replace(
            calibration("probe").facts,
            problem_type="multi_label_classification",
            fit_rows=60,
            held_out_rows=60,
        ),
        Reading(detector, detector.score(run), unseen.scores),
        None,
        answer,
        None,
        logits,
        answer.logits(unseen.probes, unseen.excess, logits),
        tuple(CleanRow(f"text {n}", tuple(row), "both") for n, row in enumerate(labels.tolist())),
    )
    save_calibration(fitted, tmp_path / "many")
    return fitted, tmp_path / "many"


def test_many_labels_survive_the_file(many):
    fitted, place = many
    assert json.loads((place / "calibration.json").read_text())["format_version"] == 4
    found = load_calibration(place)
    assert found.facts == fitted.facts
    assert found.rows == fitted.rows
    assert isinstance(found.plain.detector, LabelExcessDetector)
    assert isinstance(found.answer, LabelAnswer)
    for name, tensor in tensors_of(fitted).items():
        np.testing.assert_array_equal(tensors_of(found)[name], tensor)


@pytest.mark.parametrize(
    "label", [1, [1, 0], [1, 0, 2], [1, 0, True], ["a"], [1, 0, 0, 0]], ids=str
)
def test_rows_of_other_labels_are_refused(many, label):
    _, place = many
    with (place / "rows.jsonl").open("a") as file:
        file.write(json.dumps({"text": "good", "label": label, "part": "both"}) + "\n")
    reseal(place)
    refused(place, "contents that cannot be read")


def test_a_problem_of_another_version_is_refused(many):
    _, place = many
    facts = json.loads((place / "calibration.json").read_text())
    (place / "calibration.json").write_text(json.dumps({**facts, "format_version": 3}))
    refused(place, "problem_type")
