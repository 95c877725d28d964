"""How far numbers are from those that they should be."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def largest_difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """The largest difference, relative to the larger of the expected value and 1.

    What is finite on neither side counts as equal.

    Returns:
        At least 0; infinite where one side alone is not a finite number.
    """
    finite = np.isfinite(found)
    if (finite != np.isfinite(expected)).any():
        return math.inf
    found, expected = found[finite], expected[finite]
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1), initial=0))
