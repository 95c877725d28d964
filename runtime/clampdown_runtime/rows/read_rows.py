"""Reads rows of text, with or without labels, from CSV, JSON Lines and Parquet files."""

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from clampdown_runtime.errors import RowsError
from clampdown_runtime.rows.lines import LONGEST_CELL, bounded_lines
from clampdown_runtime.rows.texts import require_text

if TYPE_CHECKING:
    from types import ModuleType

_TEXT = "text"
_LABEL = "label"
_PARQUET_BATCH = 1024
_PARQUET_MEMORY = 2**30
"""Bytes of the texts of a batch. A text that is there a thousand times lies in the file once: none
is longer than its row group's texts without compression, but together they can be."""

_PARQUET_RATIO = 1000
"""Bytes that a byte of the file may be: deflate, which reaches the most for a single page of one
letter, has 1,032."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Attributes:
        text: the text.
        label: the label as the file has it, or None where it has none.
        line: the line that the row begins on, from 1; in Parquet files the row's number, from 1.
    """

    text: str
    label: int | str | None
    line: int


def read_rows(path: Path) -> Iterator[Row]:
    """Reads a file of rows in bounded memory.

    The file's extension says its format: ``.csv`` (a header line, UTF-8), ``.jsonl`` or ``.ndjson``
    (an object on each line, UTF-8) or ``.parquet``. It has a column ``text`` and may have a column
    ``label``; other columns are ignored.

    Yields:
        The rows in the order of the file, at least one.

    Raises:
        RowsError: the file is not one of these, is empty, or has a row that cannot be used; the
            message names the line. What shows without reading the file (it is missing, empty, or
            of another extension) is raised by the call itself, the rest as the rows are read.
    """
    try:
        return _rows(path)
    except OSError as error:
        _refuse_unreadable(path, error)


def _rows(path: Path) -> Iterator[Row]:
    reader = _READERS.get(path.suffix.lower())
    if not path.exists():
        _refuse(path, found="nothing there", expected="a file of rows")
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no regular file"
        _refuse(path, found=found, expected="a file of rows")
    if reader is None:
        _refuse(
            path,
            found=f"the extension {path.suffix!r}",
            expected=f"one of {', '.join(_READERS)}",
            hint="Convert the file, or give it the extension of its format.",
        )
    if path.stat().st_size == 0:
        _refuse(path, found="an empty file", expected="at least one row")
    return _at_least_one(reader(path), path)


def _at_least_one(rows: Iterator[Row], path: Path) -> Iterator[Row]:
    row = None
    try:
        for row in rows:
            yield row
    except UnicodeDecodeError:
        _refuse(
            path,
            found=f"bytes that are not UTF-8 in line {_undecodable_line(path)}",
            expected="UTF-8",
            hint="Save the file as UTF-8.",
        )
    except OSError as error:
        _refuse_unreadable(path, error)
    if row is None:
        _refuse(path, found="no rows", expected="at least one row")


def _read_csv(path: Path) -> Iterator[Row]:
    # Of all readers of the process; never lowered, since others may count on theirs.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    with path.open(encoding="utf-8-sig", newline="") as file:
        # Strict: else an unclosed quote would turn the rest of the file into one text.
        reader = csv.reader(bounded_lines(file, str(path)), strict=True)
        line = 1
        try:
            header = next(reader, [])
            text, label = _columns(header, path)
            line = reader.line_num + 1
            for cells in reader:
                if cells:
                    _require_cells(cells, header, path, line)
                    yield Row(
                        text=require_text(cells[text], _at(path, line)),
                        label=None if label is None else cells[label] or None,
                        line=line,
                    )
                line = reader.line_num + 1
        except csv.Error as error:
            _refuse_line(
                path,
                line,
                found=f"a row that is not valid CSV ({error})",
                expected=f"CSV with at most {LONGEST_CELL} characters in a cell",
            )


def _require_cells(cells: list[str], header: list[str], path: Path, line: int) -> None:
    if len(cells) != len(header):
        _refuse_line(
            path,
            line,
            found=f"{len(cells)} cells",
            expected=f"{len(header)}, as in the header",
            hint='Put texts that hold commas between double quotes: "…".',
        )


def _read_json_lines(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for line, content in enumerate(bounded_lines(file, str(path)), 1):
            if not content.strip():
                continue
            try:
                fields = json.loads(content)
            except (ValueError, RecursionError) as error:
                _refuse_line(
                    path, line, found=f"a line that is not valid JSON ({error})", expected="JSON"
                )
            if not isinstance(fields, dict):
                _refuse_line(
                    path,
                    line,
                    found=f"a value of the type {type(fields).__name__}",
                    expected="an object",
                )
            if _TEXT not in fields:
                _refuse_line(
                    path, line, found=_found_columns(list(fields)), expected=f"a key `{_TEXT}`"
                )
            yield _typed_row(fields[_TEXT], fields.get(_LABEL), path, line)


def _read_parquet(path: Path) -> Iterator[Row]:
    parquet, arrow_error = _import_pyarrow(path)
    try:
        with parquet.ParquetFile(path) as file:
            header = file.schema_arrow.names
            _, label = _columns(header, path)
            columns = [_TEXT] if label is None else [_TEXT, _LABEL]
            line = 0
            fitting = _PARQUET_MEMORY // _largest_text(file.metadata, path)
            rows = max(1, min(_PARQUET_BATCH, fitting))
            for batch in file.iter_batches(batch_size=rows, columns=columns):
                labels = repeat(None) if label is None else batch.column(_LABEL)
                for text, of_text in zip(batch.column(_TEXT), labels, strict=False):
                    line += 1
                    yield _typed_row(_python(text), _python(of_text), path, line)
    except arrow_error as error:
        _refuse(path, found=f"a file that is not valid Parquet ({error})", expected="Parquet")


def _largest_text(metadata: Any, path: Path) -> int:  # noqa: ANN401 - of pyarrow
    """Bytes that no text of a Parquet file exceeds."""
    largest = 1
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema.split(".")[0] != _TEXT:
                continue
            size, compressed = column.total_uncompressed_size, column.total_compressed_size
            # One page of it is in memory at a time, and can be all of it.
            if size > _PARQUET_MEMORY and size > _PARQUET_RATIO * compressed:
                _refuse(
                    path,
                    found=f"{size} bytes of texts in {compressed} bytes of the file",
                    expected=f"at most {_PARQUET_RATIO} times as many",
                    hint="No text compresses so well: this file is made to fill the memory.",
                )
            largest = max(largest, size)
    return largest


def _python(value: Any) -> object:  # noqa: ANN401 - a scalar of pyarrow
    """One value at a time: that of a whole batch could be held many times over."""
    try:
        return None if value is None else value.as_py()
    except (ValueError, OverflowError):
        # A date beyond Python's years and the like: of this type no text and no label is.
        return value


def _import_pyarrow(path: Path) -> "tuple[ModuleType, type[Exception]]":
    try:
        # Imported here: it is an extra, and slow to import.
        import pyarrow  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise RowsError(
            str(path),
            found="a Parquet file and no pyarrow to read it",
            expected="pyarrow",
            hint="Run pip install 'clampdown[parquet]', or convert the file to .jsonl.",
        ) from error
    return parquet, pyarrow.ArrowException


def _typed_row(text: object, label: object, path: Path, line: int) -> Row:
    if isinstance(label, bool) or not isinstance(label, int | str | None):
        _refuse_line(
            path,
            line,
            found=f"a label of the type {type(label).__name__}",
            expected="an integer, a string or none",
        )
    text = require_text(text, _at(path, line))
    if len(text) > LONGEST_CELL:
        _refuse_line(
            path,
            line,
            found=f"a text of {len(text)} characters",
            expected=f"at most {LONGEST_CELL}",
        )
    return Row(text, None if label == "" else label, line)


def _columns(header: list[str], path: Path) -> tuple[int, int | None]:
    """The positions of the text and of the label."""
    if _TEXT not in header:
        _refuse(
            path,
            found=_found_columns(header),
            expected=f"a column `{_TEXT}`",
            hint=f"Name the column of the texts `{_TEXT}`.",
        )
    if header.count(_TEXT) > 1 or header.count(_LABEL) > 1:
        _refuse(
            path, found=_found_columns(header), expected=f"`{_TEXT}` and `{_LABEL}` once at most"
        )
    return header.index(_TEXT), header.index(_LABEL) if _LABEL in header else None


def _found_columns(header: list[str]) -> str:
    return f"only {', '.join(map(repr, header))}" if header else "no columns"


def _undecodable_line(path: Path) -> int:
    with path.open("rb") as file:
        for line, content in enumerate(file, 1):
            try:
                content.decode()
            except UnicodeDecodeError:
                return line
    raise AssertionError(f"{path} changed while it was read")


def _at(path: Path, line: int) -> str:
    return f"{path}, line {line}"


def _refuse_line(
    path: Path, line: int, *, found: str, expected: str, hint: str = "Correct the line."
) -> NoReturn:
    raise RowsError(_at(path, line), found=found, expected=expected, hint=hint)


def _refuse_unreadable(path: Path, error: OSError) -> NoReturn:
    _refuse(path, found=f"a file that cannot be read ({error})", expected="a readable file")


def _refuse(path: Path, *, found: str, expected: str, hint: str = "Pass another file.") -> NoReturn:
    raise RowsError(str(path), found=found, expected=expected, hint=hint)


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".parquet": _read_parquet,
}
