"""What the defence says of clean rows that it was not fitted on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Unseen:
    """What the defence gives of each clean row when its probes were fitted without the row.

    So all rows fit the probes and all set the threshold (cross-conformal prediction, Vovk 2015).

    Attributes:
        probes: float32 ``[n, K, C]``, logits.
        excess: float32 ``[n, K]``; of a model of many labels ``[n, K, C]``.
    """

    probes: NDArray[np.float32]
    excess: NDArray[np.float32]

    @property
    def scores(self) -> NDArray[np.float32]:
        """The largest excess of each row, float32 ``[n]``."""
        largest: NDArray[np.float32] = self.excess.max(axis=tuple(range(1, self.excess.ndim)))
        return largest
