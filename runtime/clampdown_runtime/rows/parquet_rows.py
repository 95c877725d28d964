"""Reads rows of Parquet files."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clampdown_runtime.errors import RowsError
from clampdown_runtime.rows.columns import find_columns, warn_of_label_column
from clampdown_runtime.rows.refusals import refuse
from clampdown_runtime.rows.row import Row, typed_row
from clampdown_runtime.rows.row_format import RowFormat

if TYPE_CHECKING:
    from types import ModuleType

_BATCH = 1024
_MEMORY = 2**30
"""Bytes of the values of a batch. One that is there a thousand times lies in the file once: none
is longer than its row group's values without compression, but together they can be."""

_RATIO = 1000
"""Bytes that a byte of the file may be: deflate, which reaches the most for a single page of one
letter, has 1,032."""


def read_parquet(path: Path, row_format: RowFormat) -> Iterator[Row]:
    """The rows of a file.

    Raises:
        RowsError: the file or a row cannot be used, or pyarrow is not installed.
    """
    parquet, arrow_error = _import_pyarrow(path)
    try:
        with parquet.ParquetFile(path) as file:
            header = file.schema_arrow.names
            found = find_columns(header, path, row_format)
            if found.label is None:
                warn_of_label_column(header, path, row_format)
            texts = [header[place] for place in found.texts]
            label = None if found.label is None else header[found.label]
            columns = texts if label is None else [*texts, label]
            line = 0
            rows = rows_at_once(file.metadata, columns, path)
            for batch in file.iter_batches(batch_size=rows, columns=columns):
                labels = repeat(None) if label is None else batch.column(label)
                # Not strict: there is no end of no labels.
                given = zip(labels, *(batch.column(name) for name in texts), strict=False)
                for of_row, *values in given:
                    line += 1
                    yield typed_row(
                        [_python(value) for value in values],
                        _python(of_row),
                        path,
                        line,
                        label_lists=row_format.label_lists,
                    )
    except arrow_error as error:
        refuse(path, found=f"a file that is not valid Parquet ({error})", expected="Parquet")


def rows_at_once(metadata: Any, columns: list[str], path: object) -> int:  # noqa: ANN401 - of pyarrow
    """How many rows of a Parquet file fit into memory, whatever is in them.

    Args:
        metadata: of the file.
        columns: those that are read.
        path: the file's path or URI, for an error.

    Raises:
        RowsError: the file is made to fill the memory.
    """
    return max(1, min(_BATCH, _MEMORY // _largest_value(metadata, columns, path)))


def _largest_value(metadata: Any, columns: list[str], path: object) -> int:  # noqa: ANN401 - of pyarrow
    """Bytes that no value of these columns of a Parquet file exceeds."""
    largest = 1
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            # A column of columns has a path for each of them.
            place = column.path_in_schema
            if not any(place == name or place.startswith(f"{name}.") for name in columns):
                continue
            size, compressed = column.total_uncompressed_size, column.total_compressed_size
            # One page of it is in memory at a time, and can be all of it.
            if size > _MEMORY and size > _RATIO * compressed:
                refuse(
                    path,
                    found=f"{size} bytes of values in {compressed} bytes of the file",
                    expected=f"at most {_RATIO} times as many",
                    hint="Nothing that is real compresses so well: this file is made to fill the "
                    "memory.",
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
