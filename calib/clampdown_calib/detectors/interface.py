"""What every detector offers: a fit on clean rows, a NumPy form, and the nodes that it emits."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.rows.clean_run import CleanRun
from clampdown_runtime.bundle.manifest import DetectorName


@dataclass(frozen=True, slots=True)
class Emitted:
    """The values of a graph that a detector reads.

    Attributes:
        tokens: float32 ``[batch, layers, H]``: what :attr:`Detector.reads` names.
        logits: float32 ``[batch, C]``, the model's.
    """

    tokens: ir.Value
    logits: ir.Value


class Detector(ABC):
    """A statistic of a row's run that is high for rows unlike the clean ones.

    Attributes:
        name: in the artefacts and the bundle.
        reads: the representation token of every layer, or the token means of those that are
            probed.
    """

    name: ClassVar[DetectorName]
    reads: ClassVar[Literal["tokens", "means"]]

    @classmethod
    @abstractmethod
    def fit(cls, clean: CleanRun) -> Self:
        """Fit on clean rows."""

    @abstractmethod
    def score(self, run: CleanRun) -> NDArray[np.float32]:
        """Anomaly scores in NumPy, float32 ``[n]``; high is abnormal."""

    @abstractmethod
    def emit(self, tape: ir.tape.Tape, seen: Emitted) -> ir.Value:
        """Append the nodes that compute :meth:`score` in a graph.

        Args:
            tape: where nodes and initializers are recorded.
            seen: what the score is computed from.

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
