"""The confidence interval of a share."""

from math import sqrt

Z_95 = 1.959963984540054
"""The 97.5% quantile of the standard normal distribution."""


def wilson_interval(hits: int, rows: int) -> tuple[float, float]:
    """The 95% score interval of ``hits / rows``, each bound from 0 to 1.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927),
    without continuity correction. It stays inside 0 to 1 and is of use for a share of 0 or 1 too.

    Args:
        hits: how many of the rows, 0 to ``rows``.
        rows: at least 1.
    """
    share = hits / rows
    shrink = 1 + Z_95**2 / rows
    centre = (share + Z_95**2 / (2 * rows)) / shrink
    half = Z_95 / shrink * sqrt(share * (1 - share) / rows + Z_95**2 / (4 * rows**2))
    # At 0 and 1 a bound is the share itself, which rounding may miss by a little on either side.
    return min(max(centre - half, 0.0), share), max(min(centre + half, 1.0), share)
