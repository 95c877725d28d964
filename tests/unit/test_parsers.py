"""What the loaders accept follows the published schemas, and no input leads to another error."""

import copy
import gzip
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from clampdown_calib import load_calibration
from clampdown_runtime import BundleError, CalibrationError, Golden, Manifest, RowsError, read_rows

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
FILES = {
    "clampdown": GOLDEN / "clampdown.json",
    "clampdown_2": GOLDEN / "clampdown_2.json",
    "golden": GOLDEN / "golden.json",
    "calibration": GOLDEN / "calibration" / "probe" / "calibration.json",
}
SCHEMAS = {
    name: json.loads((ROOT / f"docs/schemas/{name.split('_')[0]}.schema.json").read_text())
    for name in FILES
}
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["fp32", "detect", "input_ids", "sha256:" + "0" * 64, "badacts", "../x"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
settings.register_profile("here", deadline=None, derandomize=True)
settings.load_profile("here")


def places(value, path=()):
    """Every place in a JSON value, the value itself included."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from places(inner, (*path, key))


def changed(name, data):
    """The golden file with one thing replaced, added or removed."""
    value = json.loads(FILES[name].read_text("utf-8"))
    if name == "golden":
        del value["rows"][2:]
    path = data.draw(st.sampled_from(sorted(places(value), key=str)))
    if not path:
        return data.draw(VALUES)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    change = data.draw(st.sampled_from(["replace", "add", "remove"]))
    if change == "remove":
        del inner[path[-1]]
    elif change == "add" and isinstance(inner, dict):
        inner[data.draw(st.text(max_size=8))] = data.draw(VALUES)
    else:
        inner[path[-1]] = data.draw(VALUES)
    return value


def load(name, value, folder):
    """Whether the loader takes it; only its own errors are caught."""
    text = json.dumps(value)
    try:
        if name.startswith("clampdown"):
            Manifest.from_json(text, "here")
        elif name == "golden":
            Golden.from_json(text, "here")
        else:
            (folder / "calibration.json").write_text(text, "utf-8")
            load_calibration(folder)
    except (BundleError, CalibrationError):
        return False
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return shutil.copytree(GOLDEN / "calibration" / "probe", tmp_path_factory.mktemp("c") / "c")


@pytest.mark.parametrize("name", sorted(FILES))
def test_golden_file_is_valid(name, folder):
    Draft202012Validator.check_schema(SCHEMAS[name])
    value = json.loads(FILES[name].read_text("utf-8"))
    assert Draft202012Validator(SCHEMAS[name]).is_valid(value)
    assert load(name, copy.deepcopy(value), folder)


@pytest.mark.parametrize("name", sorted(FILES))
@given(data=st.data())
@settings(max_examples=300)
def test_loader_takes_nothing_that_the_schema_refuses(name, folder, data):
    value = changed(name, data)
    if load(name, value, folder):
        errors = [e.message for e in Draft202012Validator(SCHEMAS[name]).iter_errors(value)]
        assert errors == []


@pytest.mark.parametrize("kind", [Manifest, Golden])
@given(text=st.text() | st.text(alphabet='{}[]":,0123456789.eE-\\untrfals "'))
def test_no_text_leads_to_another_error(kind, text):
    with pytest.raises(BundleError):
        kind.from_json(text, "here")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("rows")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl", ".parquet", ".csv.gz"])
@given(
    data=st.binary(max_size=200)
    | st.text(alphabet="text,label\n\r\"'\0{}[]:\u2028é 01", max_size=80).map(str.encode)
    | st.text(max_size=60).map(lambda text: b"text,label\n" + text.encode("utf-8", "surrogatepass"))
    | VALUES.map(lambda value: json.dumps({"text": value, "label": value}).encode())
    | VALUES.map(lambda value: json.dumps([{"text": "a", "label": 1}, {"text": value}]).encode())
)
@settings(max_examples=200)
def test_rows_are_read_or_refused(place, suffix, data):
    path = place / f"rows{suffix}"
    path.write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
    try:
        rows = list(read_rows(path))
    except RowsError:
        return
    assert all(isinstance(row.text, str) and row.text.strip() for row in rows)
