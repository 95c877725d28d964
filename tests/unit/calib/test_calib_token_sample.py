"""The sample of tokens has the quantiles of all of them."""

import numpy as np
import pytest

from clampdown_calib.token_sample import TokenSample

SPLITS = [[100], [1] * 100, [3, 0, 57, 40]]


def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(100, 2, 5)).astype(np.float32)


def pieces(array: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    return np.split(array, np.cumsum(sizes)[:-1])


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
