"""Linear discriminants of the classes, one set at every layer."""

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.rows.folds import folds

SHRINKAGE = 0.7
"""Share of the covariance that is replaced by a multiple of the identity. With less, unseen clean
rows are read less well; with more, rows that are rewritten in another style."""

Float64 = NDArray[np.float64]


def discriminants(
    values: Float64, labels: NDArray[np.int64], classes: int
) -> tuple[Float64, Float64]:
    """Fit ``z_c = (x - m)^T S^-1 (m_c - m) - 1/2 (m_c - m)^T S^-1 (m_c - m)`` at every layer.

    m_c are the class means, m is their mean and S the shrunk pooled covariance (Fisher 1936;
    Friedman 1989 for the shrinkage); all classes are alike probable. A class without a row gets
    zeros: it lies at the centre of the others.

    Args:
        values: float64 ``[n, I, H]`` at I layers.
        labels: int64 ``[n]``.
        classes: C, how many there are.

    Returns:
        Weights float64 ``[I, H, C]`` and bias ``[I, C]``.
    """
    seen, index = np.unique(labels, return_inverse=True)
    rows, layers, width = values.shape
    weights = np.zeros((layers, width, classes))
    bias = np.zeros((layers, classes))
    for layer in range(layers):
        at = values[:, layer]
        means = np.stack([at[index == c].mean(axis=0) for c in range(len(seen))])
        within = at - means[index]
        covariance = within.T @ within / rows
        level = np.trace(covariance) / width
        shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * max(level, 1e-12) * np.eye(width)
        centre = means.mean(axis=0)
        offset = means - centre
        direction = np.linalg.solve(shrunk, offset.T)
        weights[layer][:, seen] = direction
        bias[layer, seen] = -(centre @ direction + (offset * direction.T).sum(axis=1) / 2)
    return weights, bias


def cross_fitted(values: Float64, labels: NDArray[np.int64], classes: int) -> Float64:
    """What discriminants that were fitted without a row give of it, float64 ``[n, I, C]``."""
    unseen = np.empty((*values.shape[:2], classes))
    for out in folds(labels):
        weights, bias = discriminants(values[~out], labels[~out], classes)
        unseen[out] = np.einsum("nih,ihc->nic", values[out], weights) + bias
    return unseen
