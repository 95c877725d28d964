"""The clean interval of every neuron: what purification clips into."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Intervals:
    """One closed interval per neuron of every defended layer.

    Attributes:
        lower: float32 ``[L, H]``.
        upper: float32 ``[L, H]``, nowhere below ``lower``.
    """

    lower: NDArray[np.float32]
    upper: NDArray[np.float32]

    @property
    def bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """``lower`` and ``upper``."""
        return self.lower, self.upper

    @property
    def widths(self) -> NDArray[np.float32]:
        """Width of every interval, float32 ``[L, H]``."""
        return self.upper - self.lower
