"""Errors that name a file of rows, and the line."""

from pathlib import Path
from typing import NoReturn

from clampdown_runtime.errors import RowsError


def at(path: Path, line: int) -> str:
    """The name of a line in an error."""
    return f"{path}, line {line}"


def refuse(
    path: object, *, found: str, expected: str, hint: str = "Pass another file."
) -> NoReturn:
    """Refuse a file, whose path or URI the error names.

    Raises:
        RowsError: always.
    """
    raise RowsError(str(path), found=found, expected=expected, hint=hint)


def refuse_line(
    path: Path, line: int, *, found: str, expected: str, hint: str = "Correct the line."
) -> NoReturn:
    """Refuse a file for a line.

    Raises:
        RowsError: always.
    """
    raise RowsError(at(path, line), found=found, expected=expected, hint=hint)
