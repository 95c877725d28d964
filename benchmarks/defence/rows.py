"""The rows of a victim's data set, in the numbers that the benchmark takes of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clampdown_runtime.rows import read_rows


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Texts with their true classes.

    Attributes:
        texts: the texts.
        labels: int64 ``[n]``.
    """

    texts: Sequence[str]
    labels: NDArray[np.int64]


def first_rows(path: Path, most: int | None, *, behind: int = 0) -> LabelledRows:
    """The first rows of a file behind so many others, all of them without ``most``."""
    rows = list(read_rows(path))[behind:][:most]
    return LabelledRows([row.text for row in rows], np.array([int(row.label or 0) for row in rows]))
