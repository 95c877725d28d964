import pytest

from clampdown_exporter.report.wilson import wilson_interval


# Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17
# (1998), table I, method 3.
@pytest.mark.parametrize(
    ("hits", "rows", "lower", "upper"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_equals_the_published_intervals(hits, rows, lower, upper):
    assert wilson_interval(hits, rows) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize("rows", [1, 2, 7, 436, 100_000])
def test_bounds_stay_between_0_and_1_and_around_the_share(rows):
    for hits in {0, 1, rows // 2, rows}:
        lower, upper = wilson_interval(hits, rows)
        assert 0 <= lower <= hits / rows <= upper <= 1
        assert lower < upper
