"""One row of a file, checked."""

from dataclasses import dataclass
from pathlib import Path

from clampdown_runtime.rows.lines import LONGEST_CELL
from clampdown_runtime.rows.refusals import at, refuse_line
from clampdown_runtime.rows.texts import require_text


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


def typed_row(text: object, label: object, path: Path, line: int) -> Row:
    """A row of values of any type.

    Raises:
        RowsError: the text is none or too long, or the label is neither an integer nor a string.
    """
    if isinstance(label, bool) or not isinstance(label, int | str | None):
        refuse_line(
            path,
            line,
            found=f"a label of the type {type(label).__name__}",
            expected="an integer, a string or none",
        )
    text = require_text(text, at(path, line))
    if len(text) > LONGEST_CELL:
        refuse_line(
            path,
            line,
            found=f"a text of {len(text)} characters",
            expected=f"at most {LONGEST_CELL}",
        )
    return Row(text, None if label == "" else label, line)
