"""Streaming statistics of activations: one pass, float64, memory independent of the rows seen."""

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class RunningMoments:
    """Mean and standard deviation of each neuron, batch by batch.

    Batches are combined by the pairwise update of Chan, Golub and LeVeque (1983), which does not
    cancel where the mean is large against the deviation.

    Attributes:
        count: rows seen.
        mean: float64 ``[*shape]``.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count = 0
        self.mean: Float64 = np.zeros(shape)
        self._squares: Float64 = np.zeros(shape)

    def add(self, batch: Float32) -> None:
        """Add a batch, float32 ``[n, *shape]``."""
        n = len(batch)
        if n == 0:
            return
        values = batch.astype(np.float64)
        mean = values.mean(axis=0)
        shift = mean - self.mean
        total = self.count + n
        self._squares += ((values - mean) ** 2).sum(axis=0) + shift**2 * (self.count * n / total)
        self.mean += shift * (n / total)
        self.count = total

    @property
    def std(self) -> Float64:
        """Population standard deviation, float64 ``[*shape]``; zero before the first row."""
        std: Float64 = np.sqrt(self._squares / max(self.count, 1))
        return std


class ClassScatter:
    """Class means and pooled within-class covariance of several layers at once.

    Every value is shifted by the first batch's mean before it is summed, so that the products do
    not cancel.

    Attributes:
        counts: int64 ``[C]``, rows seen of each class.
    """

    def __init__(self, classes: int, layers: int, width: int) -> None:
        self.counts = np.zeros(classes, dtype=np.int64)
        self._shift: Float64 | None = None
        self._sums: Float64 = np.zeros((classes, layers, width))
        self._products: Float64 = np.zeros((layers, width, width))

    def add(self, batch: Float32, classes: NDArray[np.int64]) -> None:
        """Add representations, float32 ``[n, L, H]``, of the classes int64 ``[n]``."""
        values = batch.astype(np.float64)
        if self._shift is None:
            self._shift = values.mean(axis=0)
        values -= self._shift
        np.add.at(self.counts, classes, 1)
        np.add.at(self._sums, classes, values)
        for layer, rows in enumerate(values.transpose(1, 0, 2)):
            self._products[layer] += rows.T @ rows

    def means(self) -> Float64:
        """Class means, float64 ``[C, L, H]``; NaN for a class without rows."""
        if self._shift is None:
            return np.full_like(self._sums, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._sums / self.counts[:, None, None] + self._shift

    def covariance(self, layer: int) -> Float64:
        """Pooled within-class covariance of a layer (divided by the count), float64 ``[H, H]``."""
        seen = self.counts > 0
        weighted = self._sums[seen, layer] / np.sqrt(self.counts[seen, None])
        within: Float64 = self._products[layer] - weighted.T @ weighted
        return within / max(int(self.counts.sum()), 1)


class TokenSample:
    """A uniform sample of tokens, for the quantiles of each neuron (Vitter's algorithm R).

    While no more than ``capacity`` tokens were seen the quantiles are exact.
    """

    def __init__(self, layers: int, width: int, *, capacity: int, seed: int) -> None:
        self._sample: Float32 = np.empty((capacity, layers, width), dtype=np.float32)
        self._seen = 0
        self._random = np.random.default_rng(seed)

    def add(self, tokens: Float32) -> None:
        """Add the activations of tokens, float32 ``[n, L, H]``."""
        capacity = len(self._sample)
        free = max(min(capacity - self._seen, len(tokens)), 0)
        self._sample[self._seen : self._seen + free] = tokens[:free]
        order = np.arange(self._seen + free, self._seen + len(tokens))
        place = self._random.integers(0, order + 1)
        kept = place < capacity
        self._sample[place[kept]] = tokens[free:][kept]
        self._seen += len(tokens)

    def quantiles(self, low: float, high: float) -> tuple[Float32, Float32]:
        """The two quantiles of every neuron, float32 ``[L, H]`` each."""
        seen = self._sample[: self._seen]
        lower, upper = np.quantile(seen, [low, high], axis=0).astype(np.float32)
        return lower, upper
