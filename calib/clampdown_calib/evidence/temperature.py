"""How sharp logits have to be for their softmax to be the chance of being right."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

SHARPEST = 100.0
"""Rows that are all right ask for infinitely sharp logits; this is as good as that."""


def inverse_temperature(logits: NDArray[np.floating], classes: NDArray[np.int64]) -> float:
    """The factor that makes logits fit the classes best: one over the temperature.

    Temperature scaling (Guo et al., ICML 2017): the factor of the least mean cross-entropy, which
    is convex in it. Searched between a hundredth and a hundred over the logits' deviation.

    Args:
        logits: float ``[n, C]`` of rows that they were not fitted on.
        classes: int64 ``[n]``, of the rows.
    """
    rows = np.arange(len(logits))
    unit = max(float(logits.std(dtype=np.float64)), 1e-12)
    standard = logits.astype(np.float64) / unit

    def cross_entropy(log_factor: float) -> float:
        sharp = standard * np.exp(log_factor)
        return float(np.mean(np.logaddexp.reduce(sharp, axis=1) - sharp[rows, classes]))

    bound = np.log(SHARPEST)
    found = minimize_scalar(cross_entropy, bounds=(-bound, bound), method="bounded")
    return float(np.exp(found.x)) / unit
