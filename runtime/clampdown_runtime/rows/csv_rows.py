"""Reads rows of CSV and TSV."""

import csv
from collections.abc import Iterator
from pathlib import Path

from clampdown_runtime.rows import lines
from clampdown_runtime.rows.columns import find_columns, warn_of_label_column
from clampdown_runtime.rows.lines import LONGEST_CELL, bounded_lines
from clampdown_runtime.rows.refusals import refuse_line
from clampdown_runtime.rows.row import Row, checked_texts
from clampdown_runtime.rows.row_format import RowFormat
from clampdown_runtime.rows.text_files import open_text

BAR = "|"
"""Between the labels of a row."""

_HEADER_HINT = "Pass --delimiter with what parts the cells, or correct the quotes."
_QUOTES_HINT = 'Put texts that hold quotes between double quotes, and double theirs: "a ""b""".'


def read_csv(path: Path, row_format: RowFormat, *, delimiter: str = ",") -> Iterator[Row]:
    """The rows of a file with a header line.

    Args:
        path: the file.
        row_format: of the file.
        delimiter: where the format names none.

    Raises:
        RowsError: the header or a row cannot be used.
    """
    # Of all readers of the process; never lowered, since others may count on theirs.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    with open_text(path, newline="") as file:
        # Strict: else an unclosed quote would turn the rest of the file into one text.
        given = _LinesOfRow(path, bounded_lines(file, str(path)))
        reader = csv.reader(given, delimiter=row_format.delimiter or delimiter, strict=True)
        line = 1
        try:
            header = next(reader, [])
            given.begin_row()
            columns = find_columns(header, path, row_format)
            label = columns.label
            if label is None:
                warn_of_label_column(header, path, row_format)
            line = reader.line_num + 1
            for cells in reader:
                given.begin_row()
                if cells:
                    _require_cells(cells, header, path, line)
                    texts = [cells[place] for place in columns.texts]
                    text, text_pair = checked_texts(texts, path, line)
                    of_row = None if label is None else cells[label]
                    labels = None
                    if row_format.label_lists and of_row is not None and _is_list(of_row):
                        labels, of_row = _listed(of_row), None
                    yield Row(text, of_row or None, line, text_pair, labels)
                line = reader.line_num + 1
        except csv.Error as error:
            refuse_line(
                path,
                line,
                found=f"a row that is not valid CSV ({error})",
                expected=f"CSV with at most {LONGEST_CELL} characters in a cell",
                hint=_HEADER_HINT if line == 1 else _QUOTES_HINT,
            )


class _LinesOfRow:
    """Lines for a reader of rows, which may each have line ends within quotes without an end."""

    def __init__(self, path: Path, lines: Iterator[str]) -> None:
        self._path, self._lines = path, lines
        self._line = self._held = 0

    def begin_row(self) -> None:
        """What comes next is of another row."""
        self._held = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._line += 1
        self._held += len(line)
        if self._held > lines.LONGEST_LINE:
            refuse_line(
                self._path,
                self._line,
                found=f"a row of more than {lines.LONGEST_LINE} characters",
                expected="rows that end",
                hint=_QUOTES_HINT,
            )
        return line


def read_tsv(path: Path, row_format: RowFormat) -> Iterator[Row]:
    """The same, of cells that tabs part."""
    return read_csv(path, row_format, delimiter="\t")


def _is_list(cell: str) -> bool:
    """Whether it holds no label or several, not one alone."""
    return BAR in cell or not cell.strip()


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(cell.split(BAR)) if cell.strip() else ()


def _require_cells(cells: list[str], header: list[str], path: Path, line: int) -> None:
    if len(cells) != len(header):
        refuse_line(
            path,
            line,
            found=f"{len(cells)} cells",
            expected=f"{len(header)}, as in the header",
            hint='Put texts that hold the delimiter between double quotes: "…".',
        )
