"""Arrays of JSON are read object by object."""

import json
import tracemalloc

import pytest

from clampdown_runtime import Row, RowsError, read_rows
from clampdown_runtime.rows import json_objects, lines


def write(folder, content):
    path = folder / "rows.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refuse(path) -> RowsError:
    with pytest.raises(RowsError) as caught:
        list(read_rows(path))
    return caught.value


@pytest.fixture(params=[1, 7, 2**16])
def _chunk(request, monkeypatch):
    """Objects lie across the ends of what is read at once."""
    monkeypatch.setattr(json_objects, "_CHUNK", request.param)


@pytest.mark.usefixtures("_chunk")
def test_an_array(tmp_path):
    path = write(
        tmp_path,
        '\ufeff \r\n[ {"text": "good", "label": 1, "id": [{}, "]"]}\n,\r\n\n{"text": '
        '"ü\u2028 \\"}", "label": "neg"},{"text":\n"none"}\n,{"text": "null", "label": null}]\n\n',
    )
    assert list(read_rows(path)) == [
        Row("good", 1, 2),
        Row('ü\u2028 "}', "neg", 5),
        Row("none", None, 5),
        Row("null", None, 7),
    ]


@pytest.mark.parametrize("indent", [None, 2])
def test_what_json_writes_is_read(tmp_path, indent):
    rows = [{"text": f"{n} " + "x" * (n % 300), "label": n} for n in range(3000)]
    found = list(read_rows(write(tmp_path, json.dumps(rows, indent=indent))))
    assert [(row.text, row.label) for row in found] == [(r["text"], r["label"]) for r in rows]
    assert found[-1].line == (1 if indent is None else 2 + 4 * 2999)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"text": "a"}', "no array"),
        ('{"text": "a"}\n{"text": "b"}', "no array"),
        ("", "an empty file"),
        (" \n", "no array"),
        ("[]", "no rows"),
        ("[", "no object where one should begin"),
        ("[1]", "no object where one should begin"),
        ('["a"]', "no object where one should begin"),
        ('[{"text": "a"}', "neither a comma nor the end"),
        ('[{"text": "a"} {"text": "b"}]', "neither a comma nor the end"),
        ('[{"text": "a"},]', "a comma and no object behind it"),
        ('[{"text": "a"},', "no object where one should begin"),
        ('[{"text": "a"}] []', "more behind the end"),
        ('[{"text": "a}]', "an object that is not valid JSON (Unterminated string"),
        ('[{"text": tru}]', "an object that is not valid JSON (Expecting value)"),
        ('[{"text": "a", "label": ' + "1" * 5000 + "}]", "an object that is not valid JSON"),
        ('[{"text": "a", "x": ' + "[" * 100_000, "an object that is not valid JSON"),
        ('[{"text": ["a"]}]', "a text of the type list"),
        ('[{"text": "a", "label": 1.5}]', "a label of the type float"),
        ('[{"text": "caf\xe9"}]'.encode("latin-1"), "bytes that are not UTF-8 in line 1"),
    ],
)
@pytest.mark.usefixtures("_chunk")
def test_what_is_no_array_of_objects_is_refused(tmp_path, content, found):
    assert refuse(write(tmp_path, content)).found.startswith(found)


@pytest.mark.usefixtures("_chunk")
def test_the_line_of_an_object_is_named(tmp_path):
    path = write(tmp_path, '[\n{"text": "a"},\n{"text":\n\n"b"},\n\n{"text": nothing}]')
    assert refuse(path).thing.endswith("rows.json, line 7")
    path = write(tmp_path, '[\n{"text": "a"},\n{"text":\n\n"b"}\n\n{"text": "c"}]')
    assert refuse(path).thing.endswith("rows.json, line 7")


def test_rows_come_before_the_end_is_read(tmp_path):
    rows = read_rows(write(tmp_path, '[{"text": "a"}, {"text": "b"}, nothing'))
    assert [next(rows).text, next(rows).text] == ["a", "b"]
    with pytest.raises(RowsError):
        next(rows)


def test_an_object_without_an_end_is_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 64)
    monkeypatch.setattr(json_objects, "_CHUNK", 16)
    # One that just fits, and one that does not.
    fits = '{"text": "' + "x" * 52 + '"}'
    assert len(fits) == 64
    rows = read_rows(write(tmp_path, f'[ {fits},\n{{"text": "' + "x" * 200 + '"}]'))
    assert len(next(rows).text) == 52
    with pytest.raises(RowsError, match="line 2: found no valid object in 64 characters"):
        next(rows)


def test_the_whole_array_is_never_held(tmp_path):
    size, count = 2**16, 256
    text = "x" * (size - 16)
    path = write(tmp_path, "[" + ",\n".join([json.dumps({"text": text})] * count) + "]")
    assert path.stat().st_size > 15 * 2**20
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_rows(path)) == count
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * 2**20
