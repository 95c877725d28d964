"""Labelled texts, and the CSV files that hold them."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class LabelledText(NamedTuple):
    """One text and the index of its class."""

    text: str
    label: int


def write_rows(path: Path, rows: Iterable[LabelledText]) -> None:
    """Write rows as a UTF-8 CSV file with the columns ``text`` and ``label``.

    Args:
        path: the file to write; an existing one is replaced.
        rows: what to write, in order.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(LabelledText._fields)
        writer.writerows(rows)
