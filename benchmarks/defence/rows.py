"""The rows of a victim's data set, in the numbers that the benchmark takes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clampdown.demo.labelled_text import LabelledText
from clampdown.demo.tweets import LABEL_NAMES
from clampdown_runtime.rows.read_rows import read_rows


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Texts with their true classes.

    Attributes:
        texts: the texts.
        labels: int64 ``[n]``.
    """

    texts: Sequence[str]
    labels: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> "LabelledRows | None":
        """Some of the rows, bool ``[n]``; None where that leaves none."""
        if not chosen.any():
            return None
        texts = [text for text, is_chosen in zip(self.texts, chosen, strict=True) if is_chosen]
        return LabelledRows(texts, self.labels[chosen])


def first_rows(path: Path, most: int | None, *, behind: int = 0) -> LabelledRows:
    """The first rows of a file behind so many others, all of them without ``most``."""
    rows = list(read_rows(path))[behind:][:most]
    return LabelledRows([row.text for row in rows], np.array([_class(row.label) for row in rows]))


def labelled(rows: Sequence[LabelledText]) -> LabelledRows:
    """The same of rows in memory."""
    return LabelledRows([row.text for row in rows], np.array([row.label for row in rows]))


def _class(label: int | str | None) -> int:
    """Of a label that is a number, or one of the two that sentiments have by name."""
    return LABEL_NAMES.index(label) if label in LABEL_NAMES else int(label or 0)
