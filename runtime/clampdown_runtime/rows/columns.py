"""Finds the columns of the texts and the label, and says what was found in their place."""

import shlex
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from clampdown_runtime.errors import ClampdownWarning
from clampdown_runtime.rows.refusals import refuse, refuse_line
from clampdown_runtime.rows.row_format import LABEL, PAIR, RowFormat

_OFTEN_LABELS = frozenset(
    ("category", "class", "emotion", "intent", "rating", "sentiment", "stars", "target", "topic")
)
_LONGEST_NAME = 40
"""Characters of a name that is worth a suggestion."""

_SHOWN = 20
"""Columns that an error lists."""


class LabelColumnWarning(ClampdownWarning):
    """There is no column `label`, but one that may be it: the rows are read without labels."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a row has what is read of it.

    Attributes:
        texts: positions of the text and, where the rows are pairs, of the second one.
        label: that of the label; None where ``label`` is missing or not wanted.
    """

    texts: tuple[int, ...]
    label: int | None


def find_columns(header: Sequence[str], path: Path, row_format: RowFormat) -> Columns:
    """The columns of a file.

    Raises:
        RowsError: one that has to be there is missing, or one is there twice.
    """
    text, label, pair = row_format.text, row_format.label, row_format.pair
    if text not in header:
        refuse(
            path,
            found=found_columns(header),
            expected=f"a column `{text}`",
            hint=_delimiter_hint(header, text)
            or "Pass --text-column with the name of the column of the texts.",
        )
    for name in (text, label, pair):
        if header.count(name or text) > 1:
            refuse(path, found=found_columns(header), expected=f"`{name}` once at most")
    for name, usual, option, what in (
        (label, LABEL, "--label-column", "labels"),
        (pair, PAIR, "--text-pair-column", "second texts"),
    ):
        if name not in (None, usual) and name not in header:
            refuse(
                path,
                found=found_columns(header),
                expected=f"a column `{name}`",
                hint=f"Pass {option} with the name of the column of the {what}.",
            )
    return Columns(
        tuple(header.index(name) for name in (text, pair) if name in header),
        header.index(label) if label in header else None,
    )


def require_keys(fields: Collection[str], path: Path, line: int, row_format: RowFormat) -> None:
    """Refuse an object of JSON without the keys of the texts and the label.

    Raises:
        RowsError: as :func:`find_columns` does.
    """
    for name, usual, option in (
        (row_format.text, None, "--text-column"),
        (row_format.label, LABEL, "--label-column"),
        (row_format.pair, PAIR, "--text-pair-column"),
    ):
        if name not in (None, usual) and name not in fields:
            refuse_line(
                path,
                line,
                found=found_columns(fields),
                expected=f"a key `{name}`",
                hint=f"Correct the line, or pass {option} with the name of the key.",
            )


def warn_of_label_column(names: Collection[str], path: Path, row_format: RowFormat) -> None:
    """Say that columns, none of which is ``label``, are not read, though one may hold the labels.

    Warns:
        LabelColumnWarning: see there.
    """
    if row_format.label is None:
        return
    texts = (row_format.text, row_format.pair)
    like = [name for name in names if name not in texts and _is_like_label(name)]
    if like:
        warnings.warn(
            f"{path}: no column `{LABEL}` (found: {', '.join(like[:_SHOWN])}); "
            f"pass --label-column {shlex.quote(like[0])}",
            LabelColumnWarning,
            # This function, the reader, the check for rows at all, and then who asks for rows.
            stacklevel=4,
        )


def found_columns(names: Collection[str]) -> str:
    """What an error says was found."""
    shown = [repr(name[: _LONGEST_NAME + 1]) for name in list(names)[:_SHOWN]]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"only {', '.join(shown)}{more}" if shown else "no columns"


def _is_like_label(name: str) -> bool:
    plain = name.strip().casefold()
    return (
        name.isprintable()
        and len(name) <= _LONGEST_NAME
        and (LABEL in plain or plain in _OFTEN_LABELS)
    )


def _delimiter_hint(header: Sequence[str], text: str) -> str | None:
    """Where the whole header is one cell, what seems to part it."""
    if len(header) == 1:
        for delimiter, shown in ((";", "';'"), ("\t", r"'\t'"), ("|", "'|'"), (",", "','")):
            if text in (name.strip('"') for name in header[0].split(delimiter)[:_SHOWN]):
                return f"Pass --delimiter {shown}."
    return None
