"""The threshold holds the false rejection rate that was asked for, on rows it has not seen."""

import numpy as np
import pytest

from clampdown_calib.rows.clean_rows import FEWEST_TO_FIT, rows_needed
from clampdown_calib.threshold import fewest_scores, rejected_share, threshold_at
from clampdown_runtime import CalibrationError


@pytest.mark.parametrize(
    ("count", "frr", "rank"),
    [(9, 0.1, 9), (10, 0.1, 10), (99, 0.1, 90), (19, 0.05, 19), (4, 0.5, 3)],
)
def test_threshold_is_the_score_of_the_conformal_rank(count, frr, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1, count + 1)).astype(np.float32)
    assert threshold_at(scores, frr) == rank


def test_rank_is_exact_at_every_decimal_rate():
    # (n + 1) * percent / 100 is a whole number here, which binary fractions miss by a hair.
    for percent in range(1, 100):
        assert threshold_at(np.arange(1, 100, dtype=np.float32), percent / 100) == 100 - percent
        scores = np.arange(1, 1000, dtype=np.float32)
        assert threshold_at(scores, percent / 100) == 1000 - 10 * percent


def test_new_rows_exceed_the_threshold_at_most_at_the_rate():
    random = np.random.default_rng(0)
    for count, frr in ((20, 0.1), (50, 0.05), (39, 0.2)):
        draws = random.gumbel(size=(4000, count + 1)).astype(np.float32)
        over = [row[-1] > threshold_at(row[:-1], frr) for row in draws]
        # The rate itself lies within four standard errors of a run of this size.
        assert np.mean(over) <= frr + 4 * np.sqrt(frr / 4000)
        # No threshold of so few rows is closer to the rate than one rank.
        assert np.mean(over) >= frr - 1 / (count + 1) - 4 * np.sqrt(frr / 4000)


@pytest.mark.parametrize(("count", "frr", "needed"), [(8, 0.1, 9), (0, 0.5, 1), (18, 0.05, 19)])
def test_too_few_scores_say_how_many_are_needed(count, frr, needed):
    with pytest.raises(CalibrationError, match=f"found {count}; expected at least {needed} "):
        threshold_at(np.zeros(count, np.float32), frr)
    threshold_at(np.zeros(needed, np.float32), frr)


@pytest.mark.parametrize("frr", [0, 1, -0.1, 1.5, float("nan")])
def test_rate_outside_0_and_1_is_refused(frr):
    with pytest.raises(CalibrationError, match="between 0 and 1"):
        threshold_at(np.zeros(100, np.float32), frr)


def test_nan_counts_as_over():
    scores = np.array([*range(1, 20), np.nan], np.float32)
    assert threshold_at(scores, 0.1) == 19
    with pytest.raises(CalibrationError, match="3 of 20 that are not finite"):
        threshold_at(np.array([*range(17), np.nan, np.nan, np.inf], np.float32), 0.1)


def test_rejected_share_counts_nan_and_not_the_threshold_itself():
    scores = np.array([0.1, 0.2, 0.3, np.nan], np.float32)
    # 0.2 as a Python number is not the float32 that the graph compares with.
    assert rejected_share(scores, 0.2) == 0.5
    assert rejected_share(scores, np.inf) == 0.25


@pytest.mark.parametrize("frr", [0.5, 0.1, 0.05, 0.03, 0.01, 0.007])
def test_rows_needed_are_enough_and_not_one_too_many(frr):
    half = rows_needed(frr, halves=True) // 2
    rows = rows_needed(frr, halves=False)
    for count, fewest in ((half, FEWEST_TO_FIT), (rows, 2 * FEWEST_TO_FIT)):
        threshold_at(np.zeros(count, np.float32), frr)
        assert count >= fewest
        if count > fewest:
            assert count == fewest_scores(frr)
            with pytest.raises(CalibrationError):
                threshold_at(np.zeros(count - 1, np.float32), frr)
