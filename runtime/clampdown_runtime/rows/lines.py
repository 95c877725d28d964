"""Reads lines, of which none is held that never ends."""

from collections.abc import Iterator
from itertools import count
from typing import IO, AnyStr

from clampdown_runtime.errors import RowsError

LONGEST_CELL = 2**24
"""Characters: more than any text has, and little enough to be held where a quote never closes."""

LONGEST_LINE = 2 * LONGEST_CELL
"""Characters or bytes: a cell with everything around it."""


def bounded_lines(file: IO[AnyStr], name: str) -> Iterator[AnyStr]:
    """The lines of an open file.

    Args:
        file: of text or of bytes.
        name: of it in an error.

    Raises:
        RowsError: one is longer than ``LONGEST_LINE``.
    """
    for number in count(1):
        line = file.readline(LONGEST_LINE)
        if not line:
            return
        if len(line) == LONGEST_LINE:
            raise RowsError(
                f"{name}, line {number}",
                found=f"{LONGEST_LINE} characters without an end",
                expected="rows, each on a line of its own",
                hint="Pass another file.",
            )
        yield line
