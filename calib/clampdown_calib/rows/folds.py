"""Parts of the clean rows, to read each by what was fitted without it."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FOLDS = 10
"""What is fitted on nine tenths of the rows reads the last tenth, and nearly as well as what is
fitted on all of them, which the threshold is for."""


def folds(classes: NDArray[np.int64]) -> Iterator[NDArray[np.bool_]]:
    """Which rows are in each part, bool ``[n]``, every class dealt out evenly.

    Dealt at random, always in the same way: the order of a file says nothing of its rows, and a
    file that goes through five classes in turn would have every part be a class of its own.

    Args:
        classes: int64 ``[n]``, of the rows.
    """
    shuffled = np.random.default_rng(0).permutation(len(classes))
    by_class = shuffled[np.argsort(classes[shuffled], kind="stable")]
    part = np.empty(len(classes), np.int64)
    part[by_class] = np.arange(len(classes)) % FOLDS
    for index in range(FOLDS):
        yield part == index
