"""Bins of clean scores: as many rows in each, and the threshold at the end of one."""

import numpy as np
import pytest

from clampdown_runtime.monitor import Scale


def test_bins_hold_equal_numbers_up_to_the_threshold_and_halving_ones_above_it():
    scores = np.arange(1, 401, dtype=np.float32)
    scale = Scale.of(scores, 361.0)
    assert scale.edges[scale.threshold] == 361
    assert sum(scale.clean) == 400
    passed, flagged = scale.clean[: scale.threshold + 1], scale.clean[scale.threshold + 1 :]
    assert (len(passed), max(passed) - min(passed)) == (8, 1)
    assert flagged == (20, 10, 5, 2, 1, 1, 0)
    assert scale.edges[-2:] == (399, 400)


@pytest.mark.parametrize("threshold", [0.0, 1.0, 2.5, 3.0, 9.0])
@pytest.mark.parametrize("scores", [[1], [1, 2, 3], [2, 2, 2, 2], [1] * 20 + [3] * 5])
def test_few_and_equal_scores_have_bins_too(scores, threshold):
    scale = Scale.of(np.float32(scores), threshold)
    assert list(scale.edges) == sorted(set(scale.edges))
    assert len(scale.clean) == len(scale.edges) + 1
    assert sum(scale.clean) == len(scores)
    assert scale.edges[scale.threshold] == threshold
    over = sum(score > threshold for score in scores)
    assert sum(scale.clean[scale.threshold + 1 :]) == over
    assert scale.clean[-1] == 0 or over == scale.clean[-1]
