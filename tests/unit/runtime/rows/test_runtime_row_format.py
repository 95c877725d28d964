"""Columns of other names, cells that other characters part, and what is said of them."""

import json
import warnings

import pytest

from clampdown_runtime import LabelColumnWarning, Row, RowFormat, RowsError, read_rows

FILES = {
    "csv": "{0},{1}\ngood,1\nbad,0\n",
    "tsv": "{0}\t{1}\ngood\t1\nbad\t0\n",
    "jsonl": '{{"{0}": "good", "{1}": "1"}}\n{{"{0}": "bad", "{1}": "0"}}\n',
    "json": '[{{"{0}": "good", "{1}": "1"}},\n{{"{0}": "bad", "{1}": "0"}}]',
    "parquet": "",
}
EVERY = pytest.mark.parametrize("kind", list(FILES))


def write(folder, kind, text="text", label="label"):
    path = folder / f"rows.{kind}"
    if kind == "parquet":
        pyarrow = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table({text: ["good", "bad"], label: ["1", "0"]}), path)
    else:
        path.write_text(FILES[kind].format(text, label), "utf-8")
    return path


def values(rows):
    return [(row.text, row.label) for row in rows]


def refuse(path, row_format=None) -> RowsError:
    with pytest.raises(RowsError) as caught:
        list(read_rows(path, row_format or RowFormat()))
    return caught.value


def named(kind):
    """What a format calls a column."""
    return "key" if kind.startswith("json") else "column"


LABELLED = [("good", "1"), ("bad", "0")]


@EVERY
@pytest.mark.parametrize(("text", "label"), [("text", "label"), ("a.b", "Käfer x"), ("label", "y")])
def test_columns_have_any_name(tmp_path, kind, text, label):
    assert values(read_rows(write(tmp_path, kind, text, label), RowFormat(text, label))) == LABELLED


@EVERY
def test_a_column_of_texts_that_is_not_there_is_asked_for(tmp_path, kind):
    error = refuse(write(tmp_path, kind), RowFormat("review"))
    assert error.found == "only 'text', 'label'"
    assert error.expected == f"a {named(kind)} `review`"
    assert "--text-column" in error.hint


@EVERY
def test_a_column_of_labels_that_was_named_has_to_be_there(tmp_path, kind):
    error = refuse(write(tmp_path, kind), RowFormat(label="stars"))
    assert error.expected == f"a {named(kind)} `stars`"
    assert "--label-column" in error.hint


@EVERY
def test_the_column_of_texts_is_none_of_labels(tmp_path, kind):
    path = write(tmp_path, kind, text="labels", label="id")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(read_rows(path, RowFormat("labels")))) == 2


def test_a_label_that_is_missing_in_a_later_object_is_refused_where_it_was_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a", "y": null}\n{"text": "b"}\n')
    assert refuse(path, RowFormat(label="y")).thing.endswith("line 2")


@EVERY
@pytest.mark.parametrize("label", ["Label", "labels", "label_text", "sentiment", " LABEL", "stars"])
def test_a_column_that_may_be_the_label_is_told(tmp_path, kind, label):
    path = write(tmp_path, kind, label=label)
    with pytest.warns(LabelColumnWarning) as caught:
        found = values(read_rows(path))
    assert found == [("good", None), ("bad", None)]
    [warning] = caught
    option = f"'{label}'" if " " in label else label
    assert str(warning.message) == (
        f"{path}: no column `label` (found: {label}); pass --label-column {option}"
    )
    assert warning.filename == __file__


@EVERY
@pytest.mark.parametrize(
    ("text", "label"),
    [("text", "label"), ("text", "id"), ("text", "label" * 9), ("text", "label\x1b"), ("text", "")],
)
def test_other_columns_are_no_matter(tmp_path, kind, text, label):
    if kind.startswith("json") and not label.isprintable():
        label = label.replace("\x1b", "\\u001b")
    path = write(tmp_path, kind, text, label)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(read_rows(path))) == 2


@EVERY
@pytest.mark.parametrize("column", ["text_pair", "hypothesis"])
def test_a_second_text_makes_a_pair(tmp_path, kind, column):
    path = write(tmp_path, kind, label=column)
    row_format = RowFormat(text_pair=column)
    assert [(row.text, row.text_pair) for row in read_rows(path, row_format)] == LABELLED
    # Where the user asks for that very column as the text it is no pair.
    swapped = RowFormat(column, "text")
    assert values(read_rows(path, swapped)) == [("1", "good"), ("0", "bad")]
    assert {row.text_pair for row in read_rows(path, swapped)} == {None}


@EVERY
def test_a_column_of_second_texts_that_was_named_has_to_be_there(tmp_path, kind):
    error = refuse(write(tmp_path, kind), RowFormat(text_pair="hypothesis"))
    assert error.expected == f"a {named(kind)} `hypothesis`"
    assert "--text-pair-column" in error.hint


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ('{"text": "a"}', '{"text": "b", "text_pair": "c"}', "a key `text_pair`"),
        ('{"text": "a", "text_pair": "c"}', '{"text": "b"}', "no key `text_pair`"),
        ('{"text": "a", "text_pair": "c"}', '{"text": "b", "text_pair": null}', "no text"),
        ('{"text": "a", "text_pair": "c"}', '{"text": "b", "text_pair": " "}', "white space"),
    ],
)
def test_every_row_is_a_pair_or_none_is(tmp_path, first, second, found):
    path = tmp_path / "rows.json"
    path.write_text(f"[{first},\n{second}]")
    error = refuse(path)
    assert ", line 2" in error.thing
    assert found in error.found


def test_an_empty_cell_is_no_second_text(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,text_pair\na,b\nc,\n")
    error = refuse(path)
    assert error.thing == f"{path}, line 3, the second text"


@pytest.mark.parametrize("name", ["text", "label"])
def test_the_column_of_second_texts_is_its_own(name):
    with pytest.raises(RowsError, match="another column's name"):
        RowFormat(text_pair=name)


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
@pytest.mark.parametrize("delimiter", [";", "|", "\t", ",", "é"])
def test_any_character_parts_cells(tmp_path, name, delimiter):
    path = tmp_path / name
    path.write_text(f'text{delimiter}label\n"a{delimiter}b"{delimiter}1\n', "utf-8")
    rows = read_rows(path, RowFormat(delimiter=delimiter))
    assert values(rows) == [(f"a{delimiter}b", "1")]


@pytest.mark.parametrize(("delimiter", "shown"), [(";", "';'"), ("\t", r"'\t'"), ("|", "'|'")])
def test_the_delimiter_that_was_found_is_named(tmp_path, delimiter, shown):
    path = tmp_path / "rows.csv"
    path.write_text(f"id{delimiter}text\n1{delimiter}good\n")
    assert refuse(path).hint == f"Pass --delimiter {shown}."
    path.write_text(f'"id"{delimiter}"text"\n"1"{delimiter}"good"\n')
    assert "--delimiter" in refuse(path).hint


def test_quotes_within_a_cell_of_tsv(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text('text\tlabel\na "fine, film"\t1\n"two\nlines"\t0\n"a"b\t1\n')
    rows = read_rows(path)
    assert [next(rows), next(rows)] == [Row('a "fine, film"', "1", 2), Row("two\nlines", "0", 3)]
    with pytest.raises(RowsError, match=r"line 5.*double theirs"):
        next(rows)


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "\r", "\0"])
def test_what_parts_no_cells_is_refused(delimiter):
    with pytest.raises(RowsError, match="The delimiter: found"):
        RowFormat(delimiter=delimiter)


def test_one_column_is_not_both():
    with pytest.raises(RowsError, match="'label' for both"):
        RowFormat("label")


def test_formats_without_cells_have_no_delimiter(tmp_path):
    assert values(read_rows(write(tmp_path, "jsonl"), RowFormat(delimiter=";"))) == LABELLED


def test_an_endless_header_is_shown_in_part(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(",".join(["x" * 1000] * 3000) + "\n")
    assert len(refuse(path).found) < 2000
    path.write_text(json.dumps({f"{n}": 1 for n in range(3000)}))
    path = path.rename(tmp_path / "rows.jsonl")
    assert "'19' and 2980 more" in refuse(path).found
