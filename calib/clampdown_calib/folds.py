"""Parts of the clean rows, to read each by what was fitted without it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
"""What is fitted on four fifths of the rows reads the last fifth."""


def folds(rows: int) -> Iterator[NDArray[np.bool_]]:
    """Which rows are in each part, bool ``[rows]``: every fifth one."""
    for index in range(FOLDS):
        yield np.arange(rows) % FOLDS == index
