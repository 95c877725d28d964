"""Neuron Activation State, the published detector."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.detectors.interface import Detector, Emitted
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_runtime.bundle.manifest import DetectorName

DELTA = 3.0
"""Half the width of the normal range in standard deviations, as published."""

ROUNDING = 1e-5
"""Least half-width as a share of the mean: a neuron that is constant on clean rows comes out of
another kernel with a rounding of its own."""


@dataclass(frozen=True, slots=True)
class NasDetector(Detector):
    """The share of neurons outside their normal range.

    ``score(x) = 1 - NAS(x)``, ``NAS(x)`` the share of the L·H neurons of the representation token
    with ``|a - mean| <= 3 std`` (BadActs, Findings of ACL 2024, arXiv 2405.11227, section 3.3).

    Attributes:
        mean: float32 ``[L, H]``.
        reach: float32 ``[L, H]``, three standard deviations.
    """

    name: ClassVar[DetectorName] = "nas"
    reads: ClassVar = "tokens"
    mean: NDArray[np.float32]
    reach: NDArray[np.float32]

    @classmethod
    def fit(cls, clean: CleanRun) -> Self:
        """Take the moments of every neuron."""
        mean = clean.hidden.mean(axis=0, dtype=np.float64)
        std = clean.hidden.std(axis=0, dtype=np.float64)
        reach = np.maximum(DELTA * std, ROUNDING * np.abs(mean))
        return cls(mean.astype(np.float32), reach.astype(np.float32))

    def score(self, run: CleanRun) -> NDArray[np.float32]:
        """Share of neurons outside their range, float32 ``[n]``, 0 to 1."""
        normal = np.abs(run.hidden - self.mean) <= self.reach
        score: NDArray[np.float32] = 1 - normal.mean(axis=(1, 2), dtype=np.float32)
        return score

    def emit(self, tape: ir.tape.Tape, seen: Emitted) -> ir.Value:
        """``1 - ReduceMean(Cast(Abs(hidden - mean) <= reach))``."""
        mean = tape.initializer(ir.tensor(self.mean), "clampdown.nas.mean")
        reach = tape.initializer(ir.tensor(self.reach), "clampdown.nas.reach")
        axes = tape.initializer(ir.tensor(np.array([1, 2])), "clampdown.nas.axes")
        one = tape.initializer(ir.tensor(np.float32(1)), "clampdown.nas.one")
        distance = tape.op("Abs", [tape.op("Sub", [seen.tokens, mean])])
        normal = tape.op("LessOrEqual", [distance, reach])
        counted = tape.op("Cast", [normal], {"to": ir.DataType.FLOAT})
        share = tape.op("ReduceMean", [counted, axes], {"keepdims": 0})
        return tape.op("Sub", [one, share])

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Return ``mean`` and ``reach``."""
        return {"mean": self.mean, "reach": self.reach}

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[np.float32]]) -> Self:
        """Take ``mean`` and ``reach``."""
        return cls(**tensors)
