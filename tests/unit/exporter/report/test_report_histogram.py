import numpy as np
import pytest

from clampdown_exporter.report.histogram import draw_histogram

NORMAL = np.random.default_rng(0).normal(size=(2, 400)).astype(np.float32)


def shares(histogram):
    """Height of each bar as a share of the rows, from what its text says."""
    return [float(bar.text.split(": ")[1].split("%")[0]) / 100 for bar in histogram.bars]


def flagged_share(histogram):
    return sum(
        share for share, bar in zip(shares(histogram), histogram.bars, strict=True) if bar.flagged
    )


def test_bars_hold_every_held_out_row_once():
    histogram = draw_histogram(*NORMAL, 1.0)
    assert sum(shares(histogram)) == pytest.approx(1, abs=0.01)
    assert (histogram.below, histogram.above, histogram.not_finite) == (0, 0, (0, 0))
    assert all(bar.left >= 0 and bar.left + bar.width <= 100.001 for bar in histogram.bars)
    assert all(0 <= bar.top < 100 and bar.height > 0 for bar in histogram.bars)


def test_bars_are_as_high_as_their_axis_says():
    histogram = draw_histogram(*NORMAL, 1.0)
    top = histogram.y_ticks[-1]
    assert top.at == pytest.approx(100)
    for share, bar in zip(shares(histogram), histogram.bars, strict=True):
        assert bar.height / 100 * float(top.label) / 100 == pytest.approx(share, abs=0.0006)


@pytest.mark.parametrize("rank", [0, 40, 200, 360, 398])
def test_what_lies_right_of_the_line_is_what_is_flagged(rank):
    held_out = np.sort(NORMAL[1])
    histogram = draw_histogram(NORMAL[0], held_out, float(held_out[rank]))
    assert flagged_share(histogram) == pytest.approx((399 - rank) / 400, abs=0.006)
    for bar in histogram.bars:
        assert (bar.left >= histogram.threshold_at - 1e-9) == bar.flagged


def test_an_outlier_does_not_squeeze_the_others():
    held_out = np.concatenate([NORMAL[1], np.array([1e6, 2e6, -3e8], np.float32)])
    histogram = draw_histogram(NORMAL[0], held_out, 1.0)
    assert (histogram.below, histogram.above) == (1, 2)
    assert len(histogram.bars) > 10
    assert sum(shares(histogram)) == pytest.approx(1, abs=0.01)
    assert histogram.last - histogram.first < 10


def test_scores_that_are_not_finite_are_counted_apart():
    fit, held_out = NORMAL.copy()
    fit[0] = np.inf
    held_out[:40] = np.nan
    histogram = draw_histogram(fit, held_out, 1.0)
    assert histogram.not_finite == (1, 40)
    # Shares are of all rows: what is not drawn is missing from the bars.
    assert sum(shares(histogram)) == pytest.approx(0.9, abs=0.01)


def test_no_finite_score_leaves_nothing_to_draw():
    histogram = draw_histogram(np.full(3, np.nan), np.full(2, np.inf), 1.0)
    assert not histogram.drawable
    assert histogram.not_finite == (3, 2)


@pytest.mark.parametrize("score", [0.0, -2.5, 1e-30, 1e30])
def test_equal_scores_make_one_bar_beside_the_threshold(score):
    histogram = draw_histogram(np.full(5, score), np.full(6, score, np.float32), score)
    (bar,) = histogram.bars
    assert not bar.flagged
    assert bar.left + bar.width == pytest.approx(histogram.threshold_at)
    assert 2 < bar.width < 50


@pytest.mark.parametrize(("threshold", "side"), [(1e9, "right"), (-50.0, "left")])
def test_a_threshold_far_from_the_scores_is_not_drawn(threshold, side):
    histogram = draw_histogram(*NORMAL, threshold)
    assert histogram.threshold_at is None
    assert histogram.threshold_side == side
    assert len(histogram.bars) > 10
    assert {bar.flagged for bar in histogram.bars} == {side == "left"}


def test_a_threshold_near_the_scores_stretches_the_axis():
    histogram = draw_histogram(*NORMAL, 5.0)
    assert 80 < histogram.threshold_at < 100
    assert flagged_share(histogram) == 0


def test_the_outline_is_that_of_the_fit_rows():
    fit = np.repeat(np.array([0.5, 1.5, 2.5], np.float32), [10, 20, 10])
    histogram = draw_histogram(fit, np.array([0.0, 3.0], np.float32), 1.0)
    # A quarter, a half and a quarter of the rows on an axis that ends at the held-out half.
    assert histogram.y_ticks[-1].label == "60"
    heights = {float(step.split("H")[0]) for step in histogram.fit_outline.split("V")[1:-1]}
    assert heights == {100.0, round(100 - 25 / 0.6, 2), round(100 - 50 / 0.6, 2)}
