"""Reads rows of JSON: an object on each line, or an array of objects."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clampdown_runtime.rows.columns import require_keys, warn_of_label_column
from clampdown_runtime.rows.json_objects import array_objects
from clampdown_runtime.rows.lines import bounded_lines
from clampdown_runtime.rows.refusals import refuse_line
from clampdown_runtime.rows.row import Row, typed_row
from clampdown_runtime.rows.row_format import RowFormat
from clampdown_runtime.rows.text_files import open_text
from clampdown_runtime.unique_keys import unique_keys


def read_json_lines(path: Path, row_format: RowFormat) -> Iterator[Row]:
    """The rows of a file with an object on each line; blank lines are left out.

    Raises:
        RowsError: a line cannot be used.
    """
    return _rows(line_objects(path), path, row_format)


def read_json(path: Path, row_format: RowFormat) -> Iterator[Row]:
    """The rows of a file with an array of objects, of which one is held at a time.

    Raises:
        RowsError: the file is no array, or an object cannot be used.
    """
    return _rows(array_objects(path), path, row_format)


def _rows(
    objects: Iterator[tuple[int, dict[str, Any]]], path: Path, row_format: RowFormat
) -> Iterator[Row]:
    pair, pairs = row_format.pair, None
    for line, fields in objects:
        require_keys(fields, path, line, row_format)
        if pairs is None:
            pairs = pair in fields
            if row_format.label not in fields:
                warn_of_label_column(fields, path, row_format)
        if (pair in fields) != pairs:
            refuse_line(
                path,
                line,
                found=f"{'no' if pairs else 'a'} key `{pair}`, unlike in the first row",
                expected="a pair of texts in every row or in none",
            )
        texts = [fields[name] for name in (row_format.text, pair) if name in fields]
        label = None if row_format.label is None else fields.get(row_format.label)
        yield typed_row(texts, label, path, line, label_lists=row_format.label_lists)


def line_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file with one on each line, each with its line; blank ones are left out.

    Raises:
        RowsError: a line holds none.
    """
    with open_text(path) as file:
        for line, content in enumerate(bounded_lines(file, str(path)), 1):
            if not content.strip():
                continue
            try:
                fields = json.loads(content, object_pairs_hook=unique_keys)
            except (ValueError, RecursionError) as error:
                refuse_line(
                    path, line, found=f"a line that is not valid JSON ({error})", expected="JSON"
                )
            if not isinstance(fields, dict):
                refuse_line(
                    path,
                    line,
                    found=f"a value of the type {type(fields).__name__}",
                    expected="an object",
                )
            yield line, fields
