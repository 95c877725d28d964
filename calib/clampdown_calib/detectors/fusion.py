"""Unusual activations and unusual confidence together: neither sees every kind of trigger."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.detectors.interface import Detector, Emitted, Representations
from clampdown_calib.detectors.mahalanobis import MahalanobisDetector
from clampdown_calib.margins import emit_lead, lead, lead_spread
from clampdown_runtime.manifest import DetectorName


@dataclass(frozen=True, slots=True)
class FusionDetector(Detector):
    """The Mahalanobis score of two tokens a layer, plus the excess confidence.

    ``score = distance + (excess - mean) / std``. ``distance`` is that of
    :class:`MahalanobisDetector` over the representation tokens and the token means of all layers.
    ``excess = (z_y - max z_c) - (r_y - max r_c)`` is how much surer the model is of its prediction
    y than its inner layers account for: z are the logits, r the readout's, c the other classes. A
    trigger takes effect late and makes the model sure of what the text does not say.

    Attributes:
        distance: the detector of the activations, over ``2 L`` layers.
        excess_mean: float32 ``[1]``, of the clean rows' excess.
        excess_std: float32 ``[1]``, the standard deviation of the clean rows' margin of the
            logits, on whose scale the readout is, too.
    """

    name: ClassVar[DetectorName] = "fusion"
    reads_inner_layers: ClassVar[bool] = True
    distance: MahalanobisDetector
    excess_mean: NDArray[np.float32]
    excess_std: NDArray[np.float32]

    @classmethod
    def fit(cls, clean: Representations) -> Self:
        """Fit the distance, and the moments of the excess."""
        spread = lead_spread(clean.logits, clean.logits.argmax(axis=1))
        return cls(
            MahalanobisDetector.fit(_both_tokens(clean)),
            np.array([_excess(clean).mean(dtype=np.float64)], np.float32),
            np.array([spread], np.float32),
        )

    def score(self, samples: Representations) -> NDArray[np.float32]:
        """Sum of the two standardised statistics, float32 ``[n]``."""
        excess = (_excess(samples) - self.excess_mean) / self.excess_std
        score: NDArray[np.float32] = self.distance.score(_both_tokens(samples)) + excess
        return score

    def emit(self, tape: ir.tape.Tape, seen: Emitted) -> ir.Value:
        """The nodes of the distance, and those of the two leads."""
        if seen.inner is None:
            raise ValueError("the graph has no readout")
        both = tape.op("Concat", [seen.hidden, seen.pooled], {"axis": 1})
        distance = self.distance.emit(tape, replace(seen, hidden=both))
        mean = tape.initializer(ir.tensor(self.excess_mean), "clampdown.fusion.excess_mean")
        std = tape.initializer(ir.tensor(self.excess_std), "clampdown.fusion.excess_std")
        outer, inner = emit_lead(tape, seen.logits, [seen.logits, seen.inner])
        excess = tape.op("Sub", [outer, inner])
        return tape.op("Add", [distance, tape.op("Div", [tape.op("Sub", [excess, mean]), std])])

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Those of the distance, ``excess_mean`` and ``excess_std``."""
        return {
            **self.distance.tensors(),
            "excess_mean": self.excess_mean,
            "excess_std": self.excess_std,
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[np.float32]]) -> Self:
        """Take every attribute."""
        own = {name: tensors[name] for name in ("excess_mean", "excess_std")}
        rest = {name: value for name, value in tensors.items() if name not in own}
        return cls(MahalanobisDetector.from_tensors(rest), **own)


def _both_tokens(samples: Representations) -> Representations:
    """Samples whose ``hidden`` has the token means as further layers, ``[n, 2 L, H]``."""
    return replace(samples, hidden=np.concatenate([samples.hidden, samples.pooled], axis=1))


def _excess(samples: Representations) -> NDArray[np.float32]:
    """How much further the prediction leads in the logits than in the readout, float32 ``[n]``."""
    predicted = samples.logits.argmax(axis=1)
    excess: NDArray[np.float32] = lead(samples.logits, predicted) - lead(samples.inner, predicted)
    return excess
