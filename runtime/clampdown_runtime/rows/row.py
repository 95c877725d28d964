"""One row of a file, checked."""

from collections.abc import Sequence
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
        text_pair: the second text, where the file has pairs.
    """

    text: str
    label: int | str | None
    line: int
    text_pair: str | None = None


def checked_texts(texts: Sequence[object], path: Path, line: int) -> tuple[str, str | None]:
    """The text of a row and, where there are two, the second one.

    Raises:
        RowsError: one is none.
    """
    first = require_text(texts[0], at(path, line))
    if len(texts) == 1:
        return first, None
    return first, require_text(texts[1], f"{at(path, line)}, the second text")


def typed_row(texts: Sequence[object], label: object, path: Path, line: int) -> Row:
    """A row of values of any type.

    Args:
        texts: the text and, where the file has pairs, the second one.
        label: its label.
        path: of the file.
        line: of the row.

    Raises:
        RowsError: a text is none or too long, or the label is neither an integer nor a string.
    """
    if isinstance(label, bool) or not isinstance(label, int | str | None):
        refuse_line(
            path,
            line,
            found=f"a label of the type {type(label).__name__}",
            expected="an integer, a string or none",
        )
    text, text_pair = checked_texts(texts, path, line)
    longest = max(len(text), len(text_pair or ""))
    if longest > LONGEST_CELL:
        refuse_line(
            path,
            line,
            found=f"a text of {longest} characters",
            expected=f"at most {LONGEST_CELL}",
        )
    return Row(text, None if label == "" else label, line, text_pair)
