"""What every detector offers: a fit on clean rows, a NumPy form, and the nodes that it emits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_runtime.manifest import DetectorName


@dataclass(frozen=True, slots=True)
class Representations:
    """What a detector sees of a batch of samples.

    Attributes:
        hidden: float32 ``[n, L, H]``, the representation token at every defended layer.
        logits: float32 ``[n, C]``.
    """

    hidden: NDArray[np.float32]
    logits: NDArray[np.float32]


Passes = Callable[[], Iterable[Representations]]
"""Gives a new pass over the same clean batches at each call, so that a fit that needs two passes
needs no memory for the rows."""


class Detector(ABC):
    """A statistic of the activations that is high for samples unlike the clean ones."""

    name: ClassVar[DetectorName]

    @classmethod
    @abstractmethod
    def fit(cls, clean: Passes) -> Self:
        """Fit on clean samples."""

    @abstractmethod
    def score(self, samples: Representations) -> NDArray[np.float32]:
        """Anomaly scores in NumPy, float32 ``[n]``; high is abnormal."""

    @abstractmethod
    def emit(self, tape: ir.tape.Tape, hidden: ir.Value, logits: ir.Value) -> ir.Value:
        """Append the nodes that compute :meth:`score` in a graph.

        Args:
            tape: where nodes and initializers are recorded.
            hidden: float32 ``[batch, L, H]``.
            logits: float32 ``[batch, C]``.

        Returns:
            The anomaly score, float32 ``[batch]``.
        """

    @abstractmethod
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """The fitted parameters by name, for the artefact."""

    @classmethod
    @abstractmethod
    def from_tensors(cls, tensors: dict[str, NDArray[np.float32]]) -> Self:
        """The detector whose :meth:`tensors` these are."""
