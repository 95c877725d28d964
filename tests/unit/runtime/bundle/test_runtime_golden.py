import dataclasses
import json
import math

import pytest

from clampdown_runtime import check_golden, read_golden
from clampdown_runtime.bundle.golden import Golden
from clampdown_runtime.errors import BundleError


@pytest.fixture
def golden(pristine):
    return read_golden(pristine / "golden.json")


@pytest.fixture
def fields(pristine):
    return json.loads((pristine / "golden.json").read_text())


def test_the_bundles_own_rows_agree(classifier, golden):
    assert len(golden.rows) == 8
    assert check_golden(classifier, golden) == []


def test_numbers_that_are_not_finite_are_null_and_equal_each_other(classifier, golden, fields):
    assert fields["rows"][-1]["logits"] == [None, None]
    assert fields["rows"][-1]["anomaly_score"] is None
    last = golden.rows[-1]
    assert math.isnan(last.anomaly_score)
    finite = dataclasses.replace(last, anomaly_score=1.0)
    [mismatch] = check_golden(classifier, Golden(1e-4, (finite,)))
    assert mismatch.field == "anomaly_score"
    lost = dataclasses.replace(golden.rows[0], probability=math.nan)
    [mismatch] = check_golden(classifier, Golden(1e-4, (lost,)))
    assert mismatch.field == "probability"


def test_writing_and_reading_give_the_rows_back(golden):
    assert Golden.from_json(golden.to_json(), "g").to_json() == golden.to_json()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("logits", (0.0, 0.0)),
        ("logits", None),
        ("anomaly_score", 0.5),
        ("flagged", None),
        ("label", "neutral"),
        ("probability", 0.1),
    ],
)
def test_every_value_that_differs_is_found(classifier, golden, field, value):
    row = golden.rows[1]
    value = (
        {"flagged": not row.flagged, "logits": row.logits[:1]}[field] if value is None else value
    )
    changed = dataclasses.replace(row, **{field: value})
    [mismatch] = check_golden(classifier, Golden(1e-4, (golden.rows[0], changed)))
    assert (mismatch.index, mismatch.text, mismatch.field) == (1, row.text, field)
    assert mismatch.expected == value
    assert mismatch.found == pytest.approx(getattr(row, field))


def test_a_tokenizer_that_differs_is_told_from_a_graph_that_differs(classifier, golden):
    row = dataclasses.replace(golden.rows[0], text="bad")
    [mismatch] = check_golden(classifier, Golden(1e-4, (row,)))
    assert mismatch.field == "input_ids"


def test_more_tokens_than_the_bundle_takes_differ(classifier, golden):
    row = dataclasses.replace(golden.rows[0], input_ids=(4,) * 1000)
    [mismatch] = check_golden(classifier, Golden(1e-4, (row,)))
    assert mismatch.field == "input_ids"


def test_the_tolerance_is_absolute(classifier, golden):
    row = dataclasses.replace(golden.rows[0], anomaly_score=golden.rows[0].anomaly_score + 0.01)
    assert check_golden(classifier, Golden(0.02, (row,))) == []
    assert len(check_golden(classifier, Golden(0.005, (row,)))) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format_version", 3),
        ("tolerance", -1),
        ("tolerance", None),
        ("rows", []),
        ("rows", {}),
        ("rows", [1]),
        ("more", 1),
    ],
)
def test_a_golden_file_is_read_strictly(fields, key, value):
    with pytest.raises(BundleError, match=key):
        Golden.from_json(json.dumps({**fields, key: value}), "g")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("text", 1),
        ("text", "half \ud800"),
        ("input_ids", []),
        ("input_ids", [-1]),
        ("input_ids", [2**70]),
        ("input_ids", [1.5]),
        ("input_ids", [True]),
        ("logits", ["1"]),
        ("anomaly_score", "1"),
        ("flagged", 1),
        ("label", None),
        ("probability", True),
        ("more", 1),
    ],
)
def test_a_golden_row_is_read_strictly(fields, key, value):
    fields["rows"][1][key] = value
    with pytest.raises(BundleError, match=rf"rows\[1\].*{key}"):
        Golden.from_json(json.dumps(fields), "g")


def test_a_golden_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "golden.json").write_bytes(b"\xff")
    for path in (tmp_path / "golden.json", tmp_path / "nothing.json"):
        with pytest.raises(BundleError, match="cannot be read"):
            read_golden(path)
