"""The bins that anomaly scores are counted in, and the clean rows in each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNFLAGGED_BINS = 8
"""Of as many clean rows each: the quartiles, which are tested, and one bin between any two."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Bins of anomaly scores, whose ends are quantiles of the clean scores, and the threshold.

    Attributes:
        edges: upper ends of all bins but the last, rising; a bin holds its upper end.
        clean: clean rows in each bin, one more than ``edges``.
        threshold: the index in ``edges`` of the threshold.
    """

    edges: tuple[float, ...]
    clean: tuple[int, ...]
    threshold: int

    @classmethod
    def of(cls, scores: NDArray[np.float32], threshold: float) -> "Scale":
        """Bins of equal numbers of clean rows up to the threshold, halving numbers above it.

        Args:
            scores: of clean rows, finite and rising, at least one.
            threshold: that of the graph.
        """
        # As in the graph, which compares in float32.
        cut = np.float32(threshold)
        passed, flagged = scores[scores <= cut], scores[scores > cut]
        edges = {float(cut)}
        if len(passed):
            ranks = len(passed) * np.arange(1, UNFLAGGED_BINS) // UNFLAGGED_BINS
            edges |= {float(passed[rank - 1]) for rank in ranks if rank}
        over = len(flagged) // 2
        while over:
            edges.add(float(flagged[-1 - over]))
            over //= 2
        if len(flagged):
            edges.add(float(flagged[-1]))
        ends = tuple(sorted(edges))
        clean = np.bincount(np.searchsorted(ends, scores), minlength=len(ends) + 1)
        return cls(ends, tuple(clean.tolist()), ends.index(float(cut)))
