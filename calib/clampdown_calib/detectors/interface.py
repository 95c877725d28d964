"""What every detector offers: a fit on clean rows, a NumPy form, and the nodes that it emits."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_runtime.manifest import DetectorName


@dataclass(frozen=True, slots=True)
class Representations:
    """What a detector sees of samples.

    Attributes:
        hidden: float32 ``[n, L, H]``, the representation token at every defended layer.
        pooled: float32 ``[n, L, H]``, the mean of the tokens that are not padding.
        logits: float32 ``[n, C]``, the model's.
        inner: float32 ``[n, C]``, the readout's logits, see :mod:`clampdown_calib.readout`.
    """

    hidden: NDArray[np.float32]
    pooled: NDArray[np.float32]
    logits: NDArray[np.float32]
    inner: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Emitted:
    """The values of a graph that hold :class:`Representations`, the batch first.

    ``inner`` is None for a detector that reads no inner layers.
    """

    hidden: ir.Value
    pooled: ir.Value
    logits: ir.Value
    inner: ir.Value | None


class Detector(ABC):
    """A statistic of the activations that is high for samples unlike the clean ones."""

    name: ClassVar[DetectorName]
    reads_inner_layers: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def fit(cls, clean: Representations) -> Self:
        """Fit on clean samples, whose ``inner`` comes from readouts fitted without them."""

    @abstractmethod
    def score(self, samples: Representations) -> NDArray[np.float32]:
        """Anomaly scores in NumPy, float32 ``[n]``; high is abnormal."""

    @abstractmethod
    def emit(self, tape: ir.tape.Tape, seen: Emitted) -> ir.Value:
        """Append the nodes that compute :meth:`score` in a graph.

        Args:
            tape: where nodes and initializers are recorded.
            seen: what the score is computed from; a detector need not read all of it.

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
