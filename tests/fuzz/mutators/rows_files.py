"""Mutates files of rows by their formats: CSV, TSV, JSON, JSON Lines, Parquet, and gzip around."""

import datetime
import decimal
import gzip
import io
import json

import pyarrow
from pyarrow import parquet

from tests.fuzz.mutators import json_values, octets
from tests.fuzz.source import Source

CELLS = (
    *("", " ", '"', '""', "a\rb", "a\nb", "a\r\nb", "\0", "\u2028", "\x85", "\x1a", "\ufeff", ","),
    *("'", "=1+1", "\ud7ff", "é" * 1000, "1", "-1", "1e5", "nan", "None", "true", "\x0b", "\x1c"),
)
HEADERS = (
    *("text", "text,text", "label", "label,text", "text,label,label", "Text,Label", " text,label"),
    *('"text","label"', "text;label", "text\tlabel", "", "text,", "\ufefftext,label", "text,x\0"),
    "text," + ",".join(f"c{index}" for index in range(2000)),
    *("text,text_pair", "text,labels", "text," + "sentiment" * 10_000, "text\tlabel\ttext_pair"),
)
LONG_CELL = 2**24 + 1
"""One character more than the reader takes in a cell."""


def mutate(source: Source, data: bytes) -> bytes:
    """Changes rows of the format that the bytes are of."""
    if data.startswith(b"PAR1"):
        return _parquet(source, data)
    if data.startswith(b"\x1f\x8b"):
        return _compressed(source, data)
    if data.startswith(b"{"):
        return _json_lines(source, data)
    if data.startswith(b"["):
        return _json_array(source, data)
    return _csv(source, data)


def _encoded(source: Source, text: str) -> bytes:
    if source.once_in(8):
        encoding = source.choice(("utf-16", "utf-8-sig", "utf-32", "cp1252"))
        return text.encode(encoding, "replace")
    data = text.encode()
    return octets.mutate(source, data) if source.once_in(8) else data


def _csv(source: Source, data: bytes) -> bytes:
    header, *lines = data.decode().split("\n")
    delimiter = "\t" if "\t" in header else ","
    for _ in range(source.choice((1, 1, 2, 4))):
        change = source.randrange(7)
        index = source.randint(0, len(lines))
        if change == 0:
            header = source.choice(HEADERS)
        elif change == 1:
            lines.insert(index, f"{source.choice(CELLS)}{delimiter}{source.choice(CELLS)}")
        elif change == 2:
            lines.insert(index, f'"{source.choice(CELLS)}"{delimiter}{source.choice(CELLS)}')
        elif change == 3:
            lines.insert(index, '"never closed')
        elif change == 4:
            lines.insert(index, delimiter * source.choice((0, 1, 2, 10_000)))
        elif change == 5 and source.once_in(8):
            lines.insert(index, source.choice(("x", '"x')) * LONG_CELL + f"{delimiter}1")
        else:
            del lines[index:]
    return _encoded(source, source.choice(("\n", "\n", "\r\n", "\r")).join([header, *lines]))


def _json_lines(source: Source, data: bytes) -> bytes:
    lines = data.decode().split("\n")
    for _ in range(source.choice((1, 1, 2, 4))):
        index = source.randint(0, len(lines))
        fields = {"text": source.choice(CELLS), "label": source.choice((0, 1, "a", *CELLS))}
        change = source.randrange(5)
        if change == 0:
            lines.insert(index, json.dumps(fields, ensure_ascii=source.once_in(2)))
        elif change == 1:
            fields[source.choice(("text", "label"))] = None
            lines.insert(index, json.dumps(fields))
        elif change == 2:
            key = source.choice(("text", "label"))
            value = json_values.write(json_values.odd_value(source))
            lines.insert(index, f'{{"text": "a", "{key}": {value}}}')
        elif change == 3:
            lines.insert(index, source.choice((" ", "\t", "[]", "1", '{"text": "a"}{}', "}", "{")))
        else:
            del lines[index:]
    return _encoded(source, source.choice(("\n", "\n", "\r\n", "\r")).join(lines))


def _json_array(source: Source, data: bytes) -> bytes:
    lines = data.decode().split("\n")
    for _ in range(source.choice((1, 1, 2, 4))):
        index = source.randint(0, len(lines))
        change = source.randrange(4)
        if change == 0:
            fields = {"text": source.choice(CELLS), "label": source.choice((0, 1, "a", *CELLS))}
            lines.insert(index, json.dumps(fields, ensure_ascii=source.once_in(2)) + ",")
        elif change == 1:
            value = json_values.write(json_values.odd_value(source))
            lines.insert(index, f'{{"text": "a", "{source.choice(("text", "x"))}": {value}}},')
        elif change == 2:
            lines.insert(index, source.choice((",", "[", "]", "{", "}", "{},", "1,", "[],", '"')))
        else:
            del lines[index:]
    return _encoded(source, source.choice(("\n", "", "\r\n", "\r", " " * 2**17)).join(lines))


def _compressed(source: Source, data: bytes) -> bytes:
    if source.once_in(4):
        return octets.mutate(source, data)
    if source.once_in(16):
        # A line that is longer than the reader takes, and more lines than a file of its size has.
        bomb = source.choice((b"x" * 2**26, b"\n" * 2**20, b'{"text": "a"}\n' * 2**14))
        return gzip.compress(gzip.decompress(data) + bomb, mtime=0)
    whole = gzip.compress(mutate(source, gzip.decompress(data)), mtime=0)
    return octets.mutate(source, whole) if source.once_in(8) else whole


def _parquet(source: Source, data: bytes) -> bytes:
    table = parquet.read_table(io.BytesIO(data))
    if source.once_in(4):
        return _damaged(source, data)
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    name = source.choice(("text", "label"))
    columns[name] = source.choice(_others(table.num_rows))
    names, arrays = list(columns), list(columns.values())
    if source.once_in(6):
        names[source.randrange(2)] = source.choice(("text", "Text", "", "a.b", "\0"))
    batch = pyarrow.Table.from_arrays(arrays, names)
    if source.once_in(8):
        batch = batch.slice(0, 0)
    file = io.BytesIO()
    parquet.write_table(
        batch,
        file,
        compression=source.choice(("none", "snappy", "zstd", "gzip")),
        use_dictionary=source.once_in(2),
        row_group_size=source.choice((1, 4, 100)),
    )
    written = file.getvalue()
    return _damaged(source, written) if source.once_in(6) else written


def _others(count: int) -> list[pyarrow.Array]:
    """Columns of every kind that a column of rows is not."""
    when = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    values: list[tuple[object, pyarrow.DataType | None]] = [
        (b"\xff\xfe", pyarrow.binary()),
        (b"a", pyarrow.binary()),
        ("a", pyarrow.large_string()),
        ("a", pyarrow.string_view()),
        (None, pyarrow.null()),
        (None, pyarrow.string()),
        (1.5, pyarrow.float64()),
        (float("nan"), pyarrow.float16()),
        (2**64 - 1, pyarrow.uint64()),
        (True, pyarrow.bool_()),
        (decimal.Decimal(1), pyarrow.decimal128(38)),
        (when, pyarrow.timestamp("ns", "UTC")),
        # A zone that does not exist, and a date that Python cannot hold.
        (0, pyarrow.timestamp("ns", "Nowhere/Land")),
        (2**62, pyarrow.timestamp("ms")),
        (2**62, pyarrow.duration("s")),
        (2**31 - 1, pyarrow.date32()),
        (1, pyarrow.time64("ns")),
        (["a"], pyarrow.list_(pyarrow.string())),
        ({"text": "a"}, pyarrow.struct([("text", pyarrow.string())])),
        ([("a", 1)], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
    ]
    arrays = [pyarrow.array([value] * count, kind) for value, kind in values]
    invalid = pyarrow.array([b"\xff\xed\xa0\x80"] * count, pyarrow.binary())
    # Bytes that are said to be UTF-8 and are not.
    arrays.append(
        pyarrow.StringArray.from_buffers(count, invalid.buffers()[1], invalid.buffers()[2])
    )
    arrays.append(pyarrow.array(["a"] * count).dictionary_encode())
    return arrays


def _damaged(source: Source, data: bytes) -> bytes:
    """Damage to the footer, which the reader reads first, or anywhere."""
    if source.once_in(2):
        return octets.mutate(source, data)
    size = int.from_bytes(data[-8:-4], "little")
    start = len(data) - 8 - size
    footer = octets.mutate(source, data[start:-8])
    length = source.choice((len(footer), len(footer), size, 0, 2**31, 2**32 - 1))
    return data[:start] + footer + length.to_bytes(4, "little") + data[-4:]
