"""The threshold of the anomaly score, from clean rows that nothing was fitted on."""

import math

import numpy as np
from numpy.typing import NDArray

from clampdown_runtime.errors import CalibrationError


def threshold_at(scores: NDArray[np.float32], frr: float) -> float:
    """The threshold that new clean rows exceed at about the rate ``frr``.

    Of n scores the ``ceil((n + 1)(1 - frr))``-th smallest: the split-conformal quantile, whose
    exceedance by an exchangeable new score has a probability of at most ``frr`` (Vovk et al.,
    2005). Scores of several fits, each without its rows, hold it nearly. A plain quantile of few
    scores would promise more than it holds.

    Args:
        scores: float32 ``[n]``, held-out clean scores of the graph that is deployed.
        frr: false rejection rate, between 0 and 1.

    Raises:
        CalibrationError: the rate is not between 0 and 1, the scores are too few for it, or so
            many of them are not finite that no threshold holds it.
    """
    if not 0 < frr < 1:
        raise CalibrationError(
            "The false rejection rate",
            found=f"{frr:g}",
            expected="a share between 0 and 1, both excluded",
            hint="Ask for a rate such as 0.1.",
        )
    # The products of decimal rates are a hair off the whole numbers that they stand for.
    rank = max(math.ceil((len(scores) + 1) * (1 - frr) - 1e-9), 1)
    if rank > len(scores):
        raise CalibrationError(
            "The held-out clean rows",
            found=f"{len(scores)}",
            expected=f"at least {fewest_scores(frr)} to hold a false rejection rate of {frr:g}",
            hint="Calibrate with more clean rows or ask for a higher rate.",
        )
    # NaN sorts last, so a row without a usable score counts as one over every threshold.
    threshold = float(np.sort(scores)[rank - 1])
    if not math.isfinite(threshold):
        raise CalibrationError(
            "The held-out clean scores",
            found=f"{int(np.sum(~np.isfinite(scores)))} of {len(scores)} that are not finite",
            expected="finite scores on clean rows",
            hint="Check the model: it gives NaN or infinite activations on clean texts.",
        )
    return threshold


def fewest_scores(frr: float) -> int:
    """Scores without which no threshold holds the rate: with n of them the least is 1 / (n + 1)."""
    return math.ceil(1 / frr - 1e-9) - 1


def rejected_share(scores: NDArray[np.float32], threshold: float) -> float:
    """Share of the scores that are flagged at a threshold, 0 to 1; NaN is flagged."""
    return float(np.mean(~(scores <= np.float32(threshold))))
