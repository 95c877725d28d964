"""Rows of any number of labels, in every format."""

import json

import pytest

from clampdown_runtime import RowFormat, RowsError, read_rows

LISTS = RowFormat(label_lists=True)
GIVEN = [("good", ("sport", "art")), ("bad", ()), ("odd", "art")]


def written(folder, extension):
    path = folder / f"rows.{extension}"
    rows = [
        {"text": text, "label": [*given] if isinstance(given, tuple) else given}
        for text, given in GIVEN
    ]
    if extension == "csv":
        path.write_text("text,label\ngood,sport|art\nbad,\nodd,art\n")
    elif extension == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif extension == "json":
        path.write_text(json.dumps(rows))
    else:
        pyarrow = pytest.importorskip("pyarrow")
        rows[-1]["label"] = ["art"]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("extension", ["csv", "jsonl", "json", "parquet"])
def test_lists_are_read(tmp_path, extension):
    if extension == "parquet":
        pytest.importorskip("pyarrow.parquet")
    rows = list(read_rows(written(tmp_path, extension), LISTS))
    alone = ("art",) if extension == "parquet" else "art"
    assert [(row.text, row.given) for row in rows] == [*GIVEN[:2], ("odd", alone)]


def test_a_row_without_a_list_has_none(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b", "label": null}\n{"text": "c", "label": []}\n')
    assert [row.given for row in read_rows(path, LISTS)] == [None, None, ()]


@pytest.mark.parametrize("label", ["[0.5]", "[true]", "[[1]]", '{"a": 1}', "1.0"])
def test_what_is_no_label_is_refused_in_a_list_too(tmp_path, label):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"text": "a", "label": {label}}}\n')
    with pytest.raises(RowsError, match="line 1: found a label of the type"):
        list(read_rows(path, LISTS))


def test_without_lists_a_bar_is_a_letter_and_a_list_is_refused(tmp_path):
    [first, second, _] = read_rows(written(tmp_path, "csv"))
    assert (first.label, first.labels) == ("sport|art", None)
    assert second.given is None
    with pytest.raises(RowsError, match="of the type list"):
        list(read_rows(written(tmp_path, "jsonl")))
