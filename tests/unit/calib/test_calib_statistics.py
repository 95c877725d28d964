"""Streaming statistics equal what NumPy gives on all rows at once."""

import numpy as np
import pytest

from clampdown_calib.statistics import ClassScatter, RunningMoments, TokenSample

SPLITS = [[100], [1] * 100, [3, 0, 57, 40]]


def rows(offset: float = 0, dtype: type = np.float32) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(100, 2, 5)) + offset).astype(dtype)


def pieces(array: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    return np.split(array, np.cumsum(sizes)[:-1])


@pytest.mark.parametrize("sizes", SPLITS)
def test_moments_equal_numpy_however_the_rows_are_split(sizes):
    data = rows(3)
    moments = RunningMoments((2, 5))
    for piece in pieces(data, sizes):
        moments.add(piece)
    assert moments.count == 100
    np.testing.assert_allclose(moments.mean, data.mean(axis=0, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(moments.std, data.std(axis=0, dtype=np.float64), rtol=1e-12)


def test_moments_do_not_cancel_where_the_mean_is_large():
    # The float32 values themselves are coarse here; their own moments must still come out.
    data = rows(1e6)
    moments = RunningMoments((2, 5))
    for piece in pieces(data, [10] * 10):
        moments.add(piece)
    np.testing.assert_allclose(moments.std, data.std(axis=0, dtype=np.float64), rtol=1e-9)


def test_moments_of_nothing_and_of_a_constant():
    moments = RunningMoments((1,))
    assert moments.std == 0
    moments.add(np.full((7, 1), 0.1, np.float32))
    assert moments.mean.astype(np.float32) == np.float32(0.1)
    assert moments.std <= 1e-9


@pytest.mark.parametrize("sizes", SPLITS)
@pytest.mark.parametrize("offset", [0, 1e5])
def test_scatter_equals_numpy_however_the_rows_are_split(sizes, offset):
    data = rows(offset)
    classes = np.random.default_rng(1).choice([0, 2], 100)
    data[classes == 2] += 5
    scatter = ClassScatter(4, 2, 5)
    sizes = [size for size in sizes if size]
    for piece, of_piece in zip(pieces(data, sizes), pieces(classes, sizes), strict=True):
        scatter.add(piece, of_piece)
    wide = data.astype(np.float64)
    means = np.stack([wide[classes == c].mean(axis=0) for c in (0, 2)])
    assert scatter.counts.tolist() == [(classes == c).sum() for c in range(4)]
    np.testing.assert_allclose(scatter.means()[[0, 2]], means, rtol=1e-12)
    assert np.isnan(scatter.means()[[1, 3]]).all()
    within = wide - np.where((classes == 0)[:, None, None], means[0], means[1])
    for layer in range(2):
        expected = within[:, layer].T @ within[:, layer] / 100
        np.testing.assert_allclose(scatter.covariance(layer), expected, atol=1e-9)


def test_quantiles_are_exact_while_every_token_fits():
    data = rows()
    sample = TokenSample(2, 5, capacity=100, seed=0)
    for piece in pieces(data, [30, 70]):
        sample.add(piece)
    low, high = sample.quantiles(0.1, 0.9)
    np.testing.assert_array_equal(low, np.quantile(data, 0.1, axis=0).astype(np.float32))
    np.testing.assert_array_equal(high, np.quantile(data, 0.9, axis=0).astype(np.float32))
    assert low.dtype == np.float32


def test_quantiles_of_a_sample_are_close_and_see_every_part_of_the_stream():
    # The values rise along the stream: a sample of its beginning or end alone would be far off.
    data = np.linspace(0, 1, 20_000, dtype=np.float32)[:, None, None]
    sample = TokenSample(1, 1, capacity=2_000, seed=0)
    for piece in np.split(data, 40):
        sample.add(piece)
    low, high = sample.quantiles(0.05, 0.95)
    assert abs(low.item() - 0.05) < 0.015
    assert abs(high.item() - 0.95) < 0.015


@pytest.mark.parametrize("sizes", SPLITS)
def test_sample_depends_on_the_seed_and_not_on_the_batches(sizes):
    def quantiles(seed, sizes):
        sample = TokenSample(2, 5, capacity=20, seed=seed)
        for piece in pieces(rows(), sizes):
            sample.add(piece)
        return sample.quantiles(0.3, 0.7)

    np.testing.assert_array_equal(quantiles(0, sizes), quantiles(0, [100]))
    assert (np.array(quantiles(0, sizes)) != np.array(quantiles(1, sizes))).any()
