"""One row of a file, checked."""

import dataclasses
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
        labels: the list of labels that stands in the place of a label, with
            :attr:`RowFormat.label_lists`; None where none does.
    """

    text: str
    label: int | str | None
    line: int
    text_pair: str | None = None
    labels: tuple[int | str, ...] | None = None

    @property
    def given(self) -> int | str | tuple[int | str, ...] | None:
        """The list of labels, or the label, or None where there is neither."""
        return self.label if self.labels is None else self.labels


def checked_texts(texts: Sequence[object], path: Path, line: int) -> tuple[str, str | None]:
    """The text of a row and, where there are two, the second one.

    Raises:
        RowsError: one is none.
    """
    first = require_text(texts[0], at(path, line))
    if len(texts) == 1:
        return first, None
    return first, require_text(texts[1], f"{at(path, line)}, the second text")


def typed_row(
    texts: Sequence[object], label: object, path: Path, line: int, *, label_lists: bool = False
) -> Row:
    """A row of values of any type.

    Args:
        texts: the text and, where the file has pairs, the second one.
        label: its label.
        path: of the file.
        line: of the row.
        label_lists: whether a list may stand in the place of a label.

    Raises:
        RowsError: a text is none or too long, or the label is neither an integer nor a string nor,
            where that is allowed, a list of them.
    """
    if label_lists and isinstance(label, list):
        return dataclasses.replace(
            typed_row(texts, None, path, line),
            labels=tuple(_list_item(item, path, line) for item in label),
        )
    if isinstance(label, bool) or not isinstance(label, int | str | None):
        refuse_line(
            path,
            line,
            found=f"a label of the type {type(label).__name__}",
            expected=f"an integer, a string{', a list of them' if label_lists else ''} or none",
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


def _list_item(label: object, path: Path, line: int) -> int | str:
    if isinstance(label, bool) or not isinstance(label, int | str):
        refuse_line(
            path,
            line,
            found=f"a label of the type {type(label).__name__} in a list",
            expected="the names or the indices of the labels that the row has",
        )
    return label
