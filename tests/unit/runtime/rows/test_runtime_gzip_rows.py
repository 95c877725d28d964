"""Compressed files are read line by line, however much comes out of them."""

import gzip
import tracemalloc

import pytest

from clampdown_runtime import Row, RowsError, read_rows
from clampdown_runtime.rows import lines

CONTENTS = {
    "rows.csv.gz": "text,label\r\ngood,1\r\n",
    "rows.TSV.GZ": "text\tlabel\ngood\t1\n",
    "rows.jsonl.gz": '{"text": "good", "label": "1"}\n',
    "rows.ndjson.gz": '{"text": "good", "label": "1"}\n',
    "rows.json.gz": '[{"text": "good", "label": "1"}]',
}


def write(folder, content, name="rows.csv.gz"):
    path = folder / name
    data = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(data))
    return path


def refuse(path) -> RowsError:
    with pytest.raises(RowsError) as caught:
        list(read_rows(path))
    return caught.value


@pytest.mark.parametrize("name", list(CONTENTS))
def test_every_format_of_text(tmp_path, name):
    [row] = read_rows(write(tmp_path, "\ufeff" + CONTENTS[name], name))
    assert (row.text, row.label) == ("good", "1")


def test_several_members_are_one_file(tmp_path):
    path = write(tmp_path, "text\ngood\n")
    path.write_bytes(path.read_bytes() + gzip.compress(b"bad\n"))
    assert list(read_rows(path)) == [Row("good", None, 2), Row("bad", None, 3)]


@pytest.mark.parametrize("name", ["rows.gz", "rows.txt.gz", "rows.parquet.gz", "rows.csv.gz.gz"])
def test_other_compressed_files_are_said_at_once(tmp_path, name):
    with pytest.raises(RowsError, match=r"found the extension '.*\.gz'.*\.gz behind"):
        read_rows(write(tmp_path, "text\ngood\n", name))


@pytest.mark.parametrize("damage", ["plain", "cut", "changed", "checksum"])
def test_a_file_that_is_no_gzip_is_refused(tmp_path, damage):
    path = write(tmp_path, "text\n" + "".join(f"good {n}\n" for n in range(1000)))
    data = bytearray(path.read_bytes())
    if damage == "plain":
        data = bytearray(b"text\ngood\n")
    elif damage == "cut":
        del data[len(data) // 2 :]
    elif damage == "changed":
        data[10] |= 0b110
    else:
        data[-8] ^= 1
    path.write_bytes(data)
    assert refuse(path).found.startswith("a file that is not valid gzip")


def test_what_is_damaged_and_not_utf8_either_is_refused(tmp_path):
    # The reader fails at the byte; what reads on to find its line fails at the damage.
    lines = "".join(f"{n} {hash(str(n))}\n" for n in range(2000)).encode()
    path = write(tmp_path, b"text\ncaf\xe9\n" + lines)
    path.write_bytes(path.read_bytes()[:-20])
    assert refuse(path).found.startswith("a file that is not valid gzip")


def test_nothing_within_is_no_row(tmp_path):
    assert refuse(write(tmp_path, "")).expected == "a column `text`"
    assert refuse(write(tmp_path, "", "rows.jsonl.gz")).found == "no rows"


def test_the_line_that_is_not_utf8_is_named(tmp_path):
    # Letters of two bytes, that lie across the ends of what is read at once.
    content = "text\n" + "é" * 200_000 + "\n"
    error = refuse(write(tmp_path, content.encode() + b"caf\xe9\n"))
    assert error.found == "bytes that are not UTF-8 in line 3"
    error = refuse(write(tmp_path, content.encode() + b"caf\xc3"))
    assert error.found == "bytes that are not UTF-8 in line 3"


def test_a_bomb_is_refused_in_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 2**20)
    bombs = (b"text\n" + b"x" * 2**26, b"text\n\xff" + b"x" * 2**26)
    for content, found in zip(bombs, ("1048576 characters", "bytes that are not"), strict=True):
        path = write(tmp_path, content)
        assert path.stat().st_size < 2**17
        tracemalloc.start()
        try:
            assert refuse(path).found.startswith(found)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 2**23
