"""Finds the columns of the text and the label, and says what was found in their place."""

import shlex
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

from clampdown_runtime.errors import ClampdownWarning
from clampdown_runtime.rows.refusals import refuse, refuse_line
from clampdown_runtime.rows.row_format import LABEL, RowFormat

PAIR = "text_pair"
"""The column that Transformers takes the second text of a pair from."""

_OFTEN_LABELS = frozenset(
    ("category", "class", "emotion", "intent", "rating", "sentiment", "stars", "target", "topic")
)
_LONGEST_NAME = 40
"""Characters of a name that is worth a suggestion."""

_SHOWN = 20
"""Columns that an error lists."""


class LabelColumnWarning(ClampdownWarning):
    """There is no column `label`, but one that may be it: the rows are read without labels."""


def find_columns(
    header: Sequence[str], path: Path, row_format: RowFormat
) -> tuple[int, int | None]:
    """The positions of the text and of the label, which is None where ``label`` is missing.

    Raises:
        RowsError: one of them is missing or there twice, or the texts are pairs.
    """
    text, label = row_format.text, row_format.label
    if text not in header:
        refuse(
            path,
            found=found_columns(header),
            expected=f"a column `{text}`",
            hint=_delimiter_hint(header, text)
            or "Pass --text-column with the name of the column of the texts.",
        )
    for name in (text, label):
        if header.count(name or text) > 1:
            refuse(path, found=found_columns(header), expected=f"`{name}` once at most")
    if _is_pair(header, row_format):
        refuse(path, found=f"a column `{PAIR}`", expected="single texts", hint=_pair_hint("column"))
    if label is None:
        return header.index(text), None
    if label in header:
        return header.index(text), header.index(label)
    if label != LABEL:
        refuse(
            path,
            found=found_columns(header),
            expected=f"a column `{label}`",
            hint="Pass --label-column with the name of the column of the labels.",
        )
    return header.index(text), None


def require_keys(fields: Collection[str], path: Path, line: int, row_format: RowFormat) -> None:
    """Refuse an object of JSON without the keys of the text and the label.

    Raises:
        RowsError: as :func:`find_columns` does.
    """
    needed = [row_format.text]
    if row_format.label not in (None, LABEL):
        needed.append(row_format.label)
    for name, option in zip(needed, ("--text-column", "--label-column"), strict=False):
        if name not in fields:
            refuse_line(
                path,
                line,
                found=found_columns(fields),
                expected=f"a key `{name}`",
                hint=f"Correct the line, or pass {option} with the name of the key.",
            )
    if _is_pair(fields, row_format):
        refuse_line(
            path, line, found=f"a key `{PAIR}`", expected="single texts", hint=_pair_hint("key")
        )


def warn_of_label_column(names: Collection[str], path: Path, row_format: RowFormat) -> None:
    """Say that columns, none of which is ``label``, are not read, though one may hold the labels.

    Warns:
        LabelColumnWarning: see there.
    """
    if row_format.label is None:
        return
    like = [name for name in names if name != row_format.text and _is_like_label(name)]
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


def _is_pair(names: Collection[str], row_format: RowFormat) -> bool:
    return PAIR in names and PAIR not in (row_format.text, row_format.label)


def _pair_hint(what: str) -> str:
    return (
        f"Drop the {what} if it is no part of the input; a model of pairs of texts cannot be "
        "defended."
    )


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
