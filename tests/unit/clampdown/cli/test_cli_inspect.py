"""`clampdown inspect` of a model, and of a bundle beside the model that it was made of."""

import json
import pickle
import sys
from types import ModuleType

import pytest
import tiny_graph

from clampdown_calib.audit.audit_model import Audit
from clampdown_calib.audit.finding import Finding
from clampdown_exporter.comparison.compare import Comparison, NodeDifference


@pytest.fixture
def folder(tmp_path):
    tiny_graph.save_onnx_model(tmp_path / "model")
    return tmp_path / "model"


def test_a_clean_model_exits_with_0(invoke, folder):
    for place in (folder, folder / "model.onnx"):
        result = invoke("inspect", place)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith(f"{place}: 0 to review, 0 noted; ")
        found = json.loads(invoke("inspect", place, "--json").stdout)
        assert found == {"model": str(place), "review": False, "findings": []}


def test_a_note_exits_with_0(invoke, folder):
    (folder / "log.csv").touch()
    result = invoke("inspect", folder)
    assert result.exit_code == 0
    assert result.stdout.startswith("note    file  log.csv: neither ")
    assert "0 to review, 1 noted" in result.stdout


def test_what_has_to_be_reviewed_exits_with_1(invoke, folder):
    (folder / "a.csv").touch()
    (folder / "z.bin").write_bytes(pickle.dumps(print))
    result = invoke("inspect", folder)
    assert result.exit_code == 1
    first, second, last = result.stdout.splitlines()
    assert first == "review  pickle  z.bin: a pickle, which can run code, which would import " + (
        "builtins print"
    )
    assert second.startswith("note    file  a.csv")
    assert "1 to review, 1 noted" in last
    result = invoke("inspect", folder, "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["review"]
    assert [set(finding) for finding in found["findings"]] == [
        {"kind", "file", "detail", "review"}
    ] * 2


def test_names_in_a_model_move_no_cursor(invoke, folder, monkeypatch):
    (folder / "a\x1b[2J\nb").touch()
    result = invoke("inspect", folder, color=True)
    assert all(line.isprintable() for line in result.stdout.split("\n"))
    assert r"a\x1b[2J\nb" in result.stdout


def test_what_is_neither_is_an_error(invoke, tmp_path):
    (tmp_path / "text.txt").touch()
    for name in ("nothing", "text.txt"):
        result = invoke("inspect", tmp_path / name)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")


def test_a_damaged_bundle_stays_a_bundle(invoke, bundle_path):
    (bundle_path / "clampdown.json").write_text("{")
    result = invoke("inspect", bundle_path)
    assert result.exit_code == 2
    assert "clampdown.json" in result.stderr


def test_a_missing_package_says_which_extra_to_install(invoke, folder, pristine, monkeypatch):
    class Missing(ModuleType):
        def __getattr__(self, name):
            raise ModuleNotFoundError("No module named 'onnx'", name="onnx")

    for name in ("clampdown_calib.audit.audit_model", "clampdown_exporter"):
        monkeypatch.setitem(sys.modules, name, Missing(name))
    for line in (("inspect", folder), ("inspect", "--diff", folder / "model.onnx", pristine)):
        result = invoke(*line)
        assert result.exit_code == 2
        assert "pip install 'clampdown[export]'" in result.stderr


@pytest.fixture
def compared(replace_package):
    def give(**keys):
        found = Comparison(
            simplified=False,
            nodes=3,
            weights=2,
            missing=(),
            missing_weights=(),
            added=(NodeDifference("Add", "clampdown/a", True), NodeDifference("Add", "b", False)),
            added_weights=("w",),
            added_inputs=("threshold",),
            logits="kept",
        )
        changed = {name: keys.get(name, getattr(found, name)) for name in Comparison.__slots__}
        replace_package("clampdown_exporter", compare=lambda *_: Comparison(**changed))

    return give


def test_a_difference_of_additions_alone_exits_with_0(invoke, compared):
    compared()
    result = invoke("inspect", "--diff", "u.onnx", "b")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "undefended         u.onnx, as it is read for a defence",
        "bundle             b",
        "nodes              3 of 3 are in the bundle, 2 added",
        "weights            2 of 2 are in the bundle, 1 added",
        "undefended logits  computed by the same nodes and weights, as kept",
        "added inputs       threshold",
        "added  Add  2: clampdown/a, b",
        "added weight  1: w",
    ]


def test_what_is_missing_exits_with_1(invoke, compared):
    missing = (NodeDifference("Mul", "m\x1b", True), NodeDifference("Mul", "n", False))
    compared(missing=missing, missing_weights=("v",), logits=None, simplified=True)
    result = invoke("inspect", "--diff", "u.onnx", "b")
    assert result.exit_code == 1
    for line in (
        "undefended         u.onnx, as it is read for a defence, attention simplified",
        "nodes              3 of 5 are in the bundle, 2 added",
        "undefended logits  not in the bundle",
        r"missing  Mul  2: m\x1b (first), n",
        "missing weight  1: v",
    ):
        assert line in result.stdout.splitlines()
    result = invoke("inspect", "--diff", "u.onnx", "b", "--json")
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["whole"], found["undefended"], found["bundle"]) == (False, "u.onnx", "b")
    assert found["missing"][0] == {"operator": "Mul", "name": "m\x1b", "first": True}


def test_a_real_bundle_beside_another_model(invoke, folder, pristine):
    result = invoke("inspect", "--diff", folder / "model.onnx", pristine)
    assert result.exit_code == 1, result.stderr
    assert "undefended logits  not in the bundle" in result.stdout


def test_review_is_what_any_finding_asks_for():
    note, look = (Finding("file", "a", "b", review=review) for review in (False, True))
    assert not Audit("m", (note,)).review
    assert Audit("m", (note, look)).review
