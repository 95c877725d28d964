"""F1 of answers to the questions of many labels."""

import numpy as np
import numpy.typing as npt


def micro_f1(truth: npt.NDArray[np.int64], said: npt.NDArray[np.int64]) -> float:
    """F1 of all answers together, 0 to 1; 0 where no label is given nor there.

    Args:
        truth: int64 ``[n, C]``, 1 where a row has a label.
        said: likewise, where it is given one.
    """
    return float(_f1(truth.reshape(-1, 1), said.reshape(-1, 1))[0])


def macro_f1(truth: npt.NDArray[np.int64], said: npt.NDArray[np.int64]) -> float:
    """The mean of the labels' F1, 0 to 1, with 0 for a label that is neither given nor there."""
    return float(_f1(truth, said).mean())


def _f1(truth: npt.NDArray[np.int64], said: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    hits = (truth & said).sum(axis=0)
    counts = truth.sum(axis=0) + said.sum(axis=0)
    f1: npt.NDArray[np.float64] = 2 * hits / np.maximum(counts, 1)
    return f1
