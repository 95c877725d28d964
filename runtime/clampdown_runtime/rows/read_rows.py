"""Reads rows of text, with or without labels, from files of every format."""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from clampdown_runtime.rows.csv_rows import read_csv, read_tsv
from clampdown_runtime.rows.json_rows import read_json, read_json_lines
from clampdown_runtime.rows.parquet_rows import read_parquet
from clampdown_runtime.rows.refusals import refuse
from clampdown_runtime.rows.row import Row
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT, RowFormat
from clampdown_runtime.rows.text_files import GZIP, is_compressed, undecodable_line


def read_rows(
    path: str | os.PathLike[str], row_format: RowFormat = DEFAULT_FORMAT
) -> Iterator[Row]:
    """Reads a file of rows in bounded memory.

    The file's extension says its format: ``.csv`` or ``.tsv`` (a header line), ``.jsonl`` or
    ``.ndjson`` (an object on each line), ``.json`` (an array of objects) or ``.parquet``. All but
    the last are of UTF-8 and may be compressed, with ``.gz`` behind the extension.

    Args:
        path: the file.
        row_format: the names of its columns; others are ignored.

    Yields:
        The rows in the order of the file, at least one.

    Raises:
        RowsError: the file is not one of these, is empty, or has a row that cannot be used, such as
            a single text among pairs; the message names the line. What shows without reading the
            file (it is missing, empty, or of another extension) is raised by the call itself, the
            rest as the rows are read.

    Warns:
        LabelColumnWarning: there is no column ``label``, but one that may be it.
    """
    path = Path(path)
    try:
        return _rows(path, row_format)
    except OSError as error:
        _refuse_unreadable(path, error)


def _rows(path: Path, row_format: RowFormat) -> Iterator[Row]:
    reader = _READERS.get(_extension(path))
    if not path.exists():
        refuse(path, found="nothing there", expected="a file of rows")
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no regular file"
        refuse(path, found=found, expected="a file of rows")
    if reader is None:
        refuse(
            path,
            found=f"the extension {_extension(path)!r}",
            expected=f"one of {', '.join(_READERS)}, and {GZIP} behind a format of text",
            hint="Convert the file, or give it the extension of its format.",
        )
    if path.stat().st_size == 0:
        refuse(path, found="an empty file", expected="at least one row")
    return _at_least_one(reader(path, row_format), path)


def _extension(path: Path) -> str:
    """That of the format, in small letters."""
    if is_compressed(path):
        inner = Path(path.stem).suffix.lower()
        return inner if inner in _TEXT_READERS else f"{inner}{GZIP}"
    return path.suffix.lower()


def _at_least_one(rows: Iterator[Row], path: Path) -> Iterator[Row]:
    row = None
    try:
        try:
            for row in rows:
                yield row
        except UnicodeDecodeError:
            # Reads the file again, and can fail as well.
            refuse(
                path,
                found=f"bytes that are not UTF-8 in line {undecodable_line(path)}",
                expected="UTF-8",
                hint="Save the file as UTF-8.",
            )
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        refuse(
            path,
            found=f"a file that is not valid gzip ({error})",
            expected="gzip",
            hint="Compress the file again.",
        )
    except OSError as error:
        _refuse_unreadable(path, error)
    if row is None:
        refuse(path, found="no rows", expected="at least one row")


def _refuse_unreadable(path: Path, error: OSError) -> NoReturn:
    refuse(path, found=f"a file that cannot be read ({error})", expected="a readable file")


_Reader = Callable[[Path, RowFormat], Iterator[Row]]

_TEXT_READERS: dict[str, _Reader] = {
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
}
_READERS: dict[str, _Reader] = {**_TEXT_READERS, ".parquet": read_parquet}
