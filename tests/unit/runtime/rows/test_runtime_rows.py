import sys

import numpy as np
import pytest

from clampdown_runtime import Row, RowFormat, read_rows
from clampdown_runtime.errors import RowsError
from clampdown_runtime.rows import lines, parquet_rows, row


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parquet(folder, **columns):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = folder / "rows.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    return path


def refuse(path) -> RowsError:
    with pytest.raises(RowsError) as caught:
        list(read_rows(path))
    assert path.name in caught.value.thing
    return caught.value


def test_csv(tmp_path):
    path = write(
        tmp_path,
        "rows.CSV",
        '\ufefflabel,id,text\r\n1,a,"two\r\nlines, one text"\r\n\r\n,b,plain\r\n'
        'neg,c,"a ""q"""\r\n',
    )
    assert list(read_rows(path)) == [
        Row("two\r\nlines, one text", "1", 2),
        Row("plain", None, 5),
        Row('a "q"', "neg", 6),
    ]


def test_csv_without_labels(tmp_path):
    assert list(read_rows(write(tmp_path, "rows.csv", "text\ngood\n"))) == [Row("good", None, 2)]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.ndjson"])
def test_json_lines(tmp_path, name):
    path = write(
        tmp_path,
        name,
        '\ufeff{"text": "good", "label": 1, "id": 7}\n\n{"text": "ü\u2028bad", "label": "neg"}\n'
        '{"text": "none"}\n{"text": "empty", "label": ""}\n{"text": "null", "label": null}',
    )
    assert list(read_rows(path)) == [
        Row("good", 1, 1),
        Row("ü\u2028bad", "neg", 3),
        Row("none", None, 4),
        Row("empty", None, 5),
        Row("null", None, 6),
    ]


def test_parquet(tmp_path):
    path = parquet(tmp_path, text=["good", "bad"], id=[1, 2], label=[1, None])
    assert list(read_rows(path)) == [Row("good", 1, 1), Row("bad", None, 2)]
    path = parquet(tmp_path, text=["x"] * 3000)
    assert [row.line for row in read_rows(path)] == list(range(1, 3001))


def test_rows_are_read_one_by_one(tmp_path):
    path = write(tmp_path, "rows.csv", "text\ngood\n\x20\n")
    rows = read_rows(path)
    assert next(rows) == Row("good", None, 2)
    with pytest.raises(RowsError, match="line 3"):
        next(rows)


@pytest.mark.parametrize("name", ["nothing.csv", "nothing.xlsx"])
def test_a_missing_file_is_said_at_once(tmp_path, name):
    with pytest.raises(RowsError, match="nothing there"):
        read_rows(tmp_path / name)


def test_a_folder_is_said_at_once(tmp_path):
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(RowsError, match="a folder"):
        read_rows(tmp_path / "rows.csv")


def test_an_unknown_extension_is_said_at_once(tmp_path):
    with pytest.raises(RowsError, match=r"'\.txt'.*\.csv, .*, \.jsonl, \.ndjson, \.parquet"):
        read_rows(write(tmp_path, "rows.txt", "good"))


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.ndjson", "rows.parquet"])
def test_an_empty_file_is_said_at_once(tmp_path, name):
    with pytest.raises(RowsError, match="an empty file"):
        read_rows(write(tmp_path, name, b""))


@pytest.mark.parametrize(
    ("name", "content"), [("rows.csv", "text,label\n"), ("rows.csv", "text\n\n"), ("r.jsonl", "\n")]
)
def test_a_file_without_rows_is_refused(tmp_path, name, content):
    assert refuse(write(tmp_path, name, content)).found == "no rows"


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    assert refuse(parquet(tmp_path, text=[])).found == "no rows"


def test_the_columns_that_were_found_are_named(tmp_path):
    error = refuse(write(tmp_path, "rows.csv", "sentence,label\ngood,1\n"))
    assert error.found == "only 'sentence', 'label'"
    error = refuse(write(tmp_path, "rows.jsonl", '{"text": "good"}\n{"sentence": "bad"}\n'))
    assert error.found == "only 'sentence'"
    assert error.thing.endswith("line 2")
    error = refuse(parquet(tmp_path, sentence=["good"], label=[1]))
    assert error.found == "only 'sentence', 'label'"


@pytest.mark.parametrize("header", ["text,text", "label,text,label"])
def test_a_column_that_is_there_twice_is_refused(tmp_path, header):
    assert "once at most" in refuse(write(tmp_path, "rows.csv", f"{header}\n")).expected


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("rows.csv", "text\n" + "good\n" * 5000 + "caf\xe9\n", 5002),
        ("rows.jsonl", '{"text": "good"}\n{"text": "caf\xe9"}\n', 2),
    ],
)
def test_the_line_that_is_not_utf8_is_named(tmp_path, name, content, line):
    error = refuse(write(tmp_path, name, content.encode("latin-1")))
    assert f"line {line}" in error.found


def test_utf16_is_refused(tmp_path):
    assert "UTF-8" in refuse(write(tmp_path, "rows.csv", "text\ngood\n".encode("utf-16"))).hint


@pytest.mark.parametrize("content", ["{", '["text"]', '"text"', "1", "[" * 100_000])
def test_the_line_that_is_no_json_object_is_named(tmp_path, content):
    error = refuse(write(tmp_path, "rows.jsonl", f'{{"text": "good"}}\n\n{content}\n'))
    assert error.thing.endswith("line 3")


@pytest.mark.parametrize("cells", ["good,1,2", "good"])
def test_a_row_with_more_or_fewer_cells_is_refused(tmp_path, cells):
    error = refuse(write(tmp_path, "rows.csv", f"text,label\ngood,1\n{cells}\n"))
    assert error.thing.endswith("line 3")
    assert "2, as in the header" in error.expected


def test_a_long_text_is_read(tmp_path):
    texts = ["x" * 200_000, "good"]
    path = write(tmp_path, "rows.csv", "text\n" + "\n".join(texts) + "\n")
    assert [row.text for row in read_rows(path)] == texts


@pytest.mark.parametrize("row", ['"never closed', '"a"b', "x" * (2**24 + 1)])
def test_a_row_that_is_no_csv_is_refused(tmp_path, row):
    error = refuse(write(tmp_path, "rows.csv", f"text\ngood\n{row}\nmore\n"))
    assert error.thing.endswith("line 3")


@pytest.mark.parametrize("text", ["1", "null", "true", '["good"]', '""', '" \\t"', '"\\ud800"'])
def test_the_line_without_a_usable_text_is_named(tmp_path, text):
    error = refuse(write(tmp_path, "rows.jsonl", f'{{"text": "good"}}\n{{"text": {text}}}\n'))
    assert error.thing.endswith("line 2")


@pytest.mark.parametrize("cell", ['""', " ", '"\u00a0"'])
def test_the_csv_line_without_a_text_is_named(tmp_path, cell):
    error = refuse(write(tmp_path, "rows.csv", f"text\ngood\n{cell}\n"))
    assert error.thing.endswith("line 3")


@pytest.mark.parametrize("texts", [["good", None], ["good", ""], [1, 2], [b"good"]])
def test_the_parquet_row_without_a_text_is_named(tmp_path, texts):
    line = 2 if texts[0] == "good" else 1
    assert refuse(parquet(tmp_path, text=texts)).thing.endswith(f"line {line}")


@pytest.mark.parametrize("label", ["true", "1.5", "[1]", "{}"])
def test_the_line_with_an_odd_label_is_named(tmp_path, label):
    error = refuse(write(tmp_path, "rows.jsonl", f'{{"text": "good", "label": {label}}}\n'))
    assert error.thing.endswith("line 1")
    assert "label" in error.found


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    pytest.importorskip("pyarrow")
    assert "not valid Parquet" in refuse(write(tmp_path, "rows.parquet", "text\ngood\n")).found


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "clampdown[parquet]" in refuse(write(tmp_path, "rows.parquet", "PAR1")).hint


def test_a_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    path = write(tmp_path, "rows.csv", "text\ngood\n")

    def refuse_open(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse_open)
    assert "Permission denied" in refuse(path).found


@pytest.mark.parametrize("name", ["n" * 5000 + ".csv", "loop/rows.csv"])
def test_a_path_that_cannot_be_looked_at_is_refused(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(RowsError, match=r"cannot be read|nothing there"):
        read_rows(tmp_path / name)


def test_a_line_without_an_end_is_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 64)
    for name, start in (("rows.jsonl", '{"text": "good"}\n'), ("rows.csv", "text\ngood\n")):
        path = write(tmp_path, name, start + "x" * 100)
        read = read_rows(path)
        assert next(read).text == "good"
        with pytest.raises(RowsError, match=f"{name}, line [23]: found 64 characters without"):
            next(read)


def test_a_text_longer_than_any_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(row, "LONGEST_CELL", 64)
    for path in (
        parquet(tmp_path, text=["x" * 64, "x" * 65]),
        write(tmp_path, "rows.jsonl", "".join(f'{{"text": "{"x" * n}"}}\n' for n in (64, 65))),
    ):
        read = read_rows(path)
        next(read)
        with pytest.raises(RowsError, match="line 2: found a text of 65 characters"):
            next(read)


@pytest.mark.parametrize(
    "row_format", [RowFormat(), RowFormat("a.b"), RowFormat("list"), RowFormat("id", "a.b")]
)
def test_a_small_parquet_file_of_endless_values_is_refused(tmp_path, monkeypatch, row_format):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as parquet_file

    monkeypatch.setattr(parquet_rows, "_MEMORY", 2**20)
    path = tmp_path / "rows.parquet"
    values = [f"{n}" + "x" * 2**16 for n in range(64)]
    table = pyarrow.table(
        {"text": values, "a.b": values, "id": ["a"] * 64, "list": [[v] for v in values]}
    )
    parquet_file.write_table(table, path, compression="zstd")
    assert path.stat().st_size < 2**16
    with pytest.raises(RowsError, match="made to fill the memory"):
        list(read_rows(path, row_format))
    # As many bytes that are really there are read, in batches that fit.
    random = np.random.default_rng(0)
    texts = [bytes(random.integers(97, 123, 2**16, np.uint8)).decode() for _ in range(64)]
    assert [row.text for row in read_rows(parquet(tmp_path, text=texts))] == texts


def test_a_cell_of_no_python_type_is_no_text(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    beyond = pyarrow.array([2**40], pyarrow.timestamp("ms"))
    error = refuse(parquet(tmp_path, text=["good"], label=beyond))
    assert error.found.startswith("a label of the type")


@pytest.mark.parametrize("start", ["", "text,label\n"])
def test_a_row_of_quoted_line_ends_without_an_end_is_not_held(tmp_path, monkeypatch, start):
    monkeypatch.setattr(lines, "LONGEST_LINE", 64)
    path = write(tmp_path, "rows.csv", start + '"a\n",' * 30)
    assert "a row of more than 64 characters" in refuse(path).found
    many = "text,label\n" + '"a\nb",x\n' * 30
    assert len(list(read_rows(write(tmp_path, "rows.csv", many)))) == 30


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    line = '{"text": "a", "text": "b"}'
    for path in (write(tmp_path, "r.jsonl", line), write(tmp_path, "r.json", f"[{line}]")):
        assert "the key 'text' is there twice" in refuse(path).found


def test_a_path_may_be_a_string(tmp_path):
    path = write(tmp_path, "rows.csv", "text\ngood\n")
    assert [row.text for row in read_rows(str(path))] == ["good"]


def test_labels_that_are_not_wanted_are_not_looked_for(tmp_path, recwarn):
    wanted = RowFormat(label=None)
    for path in (
        write(tmp_path, "rows.csv", "text,label,Label\ngood,1,2\n"),
        write(tmp_path, "rows.jsonl", '{"text": "good", "label": [1]}\n'),
        parquet(tmp_path, text=["good"], label=[[1]]),
    ):
        assert [(row.text, row.label) for row in read_rows(path, wanted)] == [("good", None)]
    assert not recwarn.list
