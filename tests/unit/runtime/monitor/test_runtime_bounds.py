"""Bounds of a share against SciPy's Beta distribution."""

import pytest
from scipy.stats import beta

from clampdown_runtime.monitor.bounds import lower_bound, upper_bound


@pytest.mark.parametrize(
    ("over", "rows"), [(0, 1), (0, 400), (1, 400), (40, 400), (99, 100), (3000, 5000)]
)
@pytest.mark.parametrize("error", [0.5, 0.01, 1e-5])
def test_bounds_are_quantiles_of_a_beta_distribution(over, rows, error):
    upper = beta.ppf(1 - error, over + 1, rows - over)
    assert upper_bound(over, rows, error) == pytest.approx(upper, rel=1e-9)
    lower = beta.ppf(error, over, rows - over + 1) if over else 0
    assert lower_bound(over, rows, error) == pytest.approx(lower, rel=1e-9, abs=1e-12)


def test_all_rows_over_it_bound_nothing():
    assert upper_bound(5, 5, 0.01) == 1
    assert lower_bound(0, 5, 0.01) == 0
