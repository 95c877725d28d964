"""A sample of the tokens of clean rows, whose size does not grow with the rows."""

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]


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
