"""Mahalanobis distance and logit margin together: neither sees every kind of trigger."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.detectors.interface import Detector, Passes, Representations
from clampdown_calib.detectors.mahalanobis import MahalanobisDetector
from clampdown_calib.statistics import RunningMoments
from clampdown_runtime.manifest import DetectorName

LEAST_SPREAD = 1e-3
"""Margins that vary less on clean rows vary by rounding only."""


@dataclass(frozen=True, slots=True)
class FusionDetector(Detector):
    """The Mahalanobis score plus the standardised margin of the logits.

    ``score = mahalanobis + (margin - mean) / std``, the margin being the largest logit less the
    second largest, its moments taken on clean rows: a trigger makes a model abnormally sure, often
    where the activations still look clean, and the other way round.

    Attributes:
        distance: the detector of the activations.
        margin_mean: float32 ``[1]``.
        margin_std: float32 ``[1]``.
    """

    name: ClassVar[DetectorName] = "fusion"
    distance: MahalanobisDetector
    margin_mean: NDArray[np.float32]
    margin_std: NDArray[np.float32]

    @classmethod
    def fit(cls, clean: Passes) -> Self:
        """Fit in three passes: two of the distance, one of the margin."""
        moments = RunningMoments((1,))
        for batch in clean():
            moments.add(_margin(batch.logits)[:, None])
        return cls(
            MahalanobisDetector.fit(clean),
            moments.mean.astype(np.float32),
            np.maximum(moments.std, LEAST_SPREAD).astype(np.float32),
        )

    def score(self, samples: Representations) -> NDArray[np.float32]:
        """Sum of the two standardised statistics, float32 ``[n]``."""
        margin = (_margin(samples.logits) - self.margin_mean) / self.margin_std
        score: NDArray[np.float32] = self.distance.score(samples) + margin
        return score

    def emit(self, tape: ir.tape.Tape, hidden: ir.Value, logits: ir.Value) -> ir.Value:
        """The nodes of the distance, and ``TopK`` for the margin: ``best @ [[1], [-1]]``."""
        distance = self.distance.emit(tape, hidden, logits)
        two = tape.initializer(ir.tensor(np.array([2])), "clampdown.fusion.two")
        signs = tape.initializer(ir.tensor(np.array([1, -1], np.float32)), "clampdown.fusion.signs")
        mean = tape.initializer(ir.tensor(self.margin_mean), "clampdown.fusion.margin_mean")
        std = tape.initializer(ir.tensor(self.margin_std), "clampdown.fusion.margin_std")
        best, _ = tape.op_multi_out("TopK", [logits, two], num_outputs=2)
        margin = tape.op("MatMul", [best, signs])
        return tape.op("Add", [distance, tape.op("Div", [tape.op("Sub", [margin, mean]), std])])

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Those of the distance, ``margin_mean`` and ``margin_std``."""
        return {
            **self.distance.tensors(),
            "margin_mean": self.margin_mean,
            "margin_std": self.margin_std,
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[np.float32]]) -> Self:
        """Take every attribute."""
        own = {name: tensors[name] for name in ("margin_mean", "margin_std")}
        rest = {name: value for name, value in tensors.items() if name not in own}
        return cls(MahalanobisDetector.from_tensors(rest), **own)


def _margin(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest less second largest logit, float32 ``[n]`` of ``[n, C]``."""
    best = np.sort(logits, axis=1)[:, -2:]
    return best[:, 1] - best[:, 0]
