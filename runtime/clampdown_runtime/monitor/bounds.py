"""How large the share of clean rows over a score can be, after what so many clean rows showed."""

import numpy as np

_HALVINGS = 60
"""As many as halve 1 to less than a float64 can tell from the bound."""


def upper_bound(over: int, rows: int, error: float) -> float:
    """What the true share does not exceed, but for a chance of ``error``.

    Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26 (1934). Where the score is one of the clean ones themselves, as the
    threshold is, the true share has a Beta(over + 1, rows - over) distribution, and this is exactly
    its quantile (Vovk, "Conditional validity of inductive conformal predictors", 2012).

    Args:
        over: clean rows over the score.
        rows: clean rows.
        error: greater than 0, less than 1.

    Returns:
        0 to 1.
    """
    if over >= rows:
        return 1.0
    low, high = over / rows, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at_most(over, rows, middle) > error:
            low = middle
        else:
            high = middle
    return high


def lower_bound(over: int, rows: int, error: float) -> float:
    """What the true share does not fall below, but for a chance of ``error``; 0 to 1."""
    return 1 - upper_bound(rows - over, rows, error)


def _at_most(hits: int, rows: int, share: float) -> float:
    """The chance of at most so many hits; ``share`` is greater than 0 and less than 1."""
    k = np.arange(hits + 1)
    ratios = np.log(rows - k[:-1]) - np.log(k[1:])
    chances = np.concatenate([[0.0], np.cumsum(ratios)])
    logs = chances + k * np.log(share) + (rows - k) * np.log1p(-share)
    return float(np.exp(logs).sum())
