"""How much surer the model is of its prediction than its earlier layers account for."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.detectors.interface import Detector, Emitted
from clampdown_calib.evidence.margins import (
    LEAST_SPREAD,
    emit_logit_margin,
    emit_prediction,
    logit_margin,
    margin_spread,
)
from clampdown_calib.evidence.probes import Probes
from clampdown_calib.evidence.unseen import Unseen
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_runtime.bundle.manifest import DetectorName

EXCESS_WEIGHTS = "clampdown.excess.weights"
"""Initializer of the node that gives every layer's excess, by which it is found in a graph."""


@dataclass(frozen=True, slots=True)
class ExcessDetector(Detector):
    """The largest excess of the model's confidence over that of a layer's probe, standardised.

    ``excess_k = (margin_y(z) - slope_k margin_y(v_k) - centre_k) / spread_k`` with the model's
    logits z, its prediction y, the logits v_k of the probe of layer k, and the logit margin of a
    class over the largest other one; the score is the largest over the layers. From some layer on
    a trigger makes the model sure of what the text does not say; a text that is merely unusual
    makes no layer sure.
    ``slope_k`` gives both margins the same standard deviation on clean rows.

    Attributes:
        probes: of all layers but the last.
        slope: float32 ``[K]``.
        centre: float32 ``[K]``, mean of the clean rows' excess.
        spread: float32 ``[K]``, its standard deviation.
    """

    name: ClassVar[DetectorName] = "excess"
    reads: ClassVar = "means"
    probes: Probes
    slope: NDArray[np.float32]
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def fit(cls, clean: CleanRun) -> Self:
        """Fit the probes, and the moments of rows that probes were fitted without."""
        return cls.cross_fit(clean)[0]

    @classmethod
    def cross_fit(cls, clean: CleanRun) -> tuple[Self, Unseen]:
        """:meth:`fit`, and what it gives of each row without the row."""
        probes, unseen = Probes.fit(clean)
        predicted = clean.logits.argmax(axis=1)
        own, inner = logit_margin(clean.logits, predicted), logit_margin(unseen, predicted)
        fitted = cls(probes, *moments(own, inner))
        return fitted, Unseen(unseen, fitted.excess(clean.logits, unseen))

    def score(self, run: CleanRun) -> NDArray[np.float32]:
        """The largest excess, float32 ``[n]``."""
        largest: NDArray[np.float32] = self.excess(run.logits, self.probes.logits(run.pooled)).max(
            axis=1
        )
        return largest

    def excess(
        self, logits: NDArray[np.float32], probes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """That over every layer, float32 ``[n, K]``.

        Args:
            logits: float32 ``[n, C]``, the model's.
            probes: float32 ``[n, K, C]``, the probes'.
        """
        predicted = logits.argmax(axis=1)
        excess = logit_margin(logits, predicted)[:, None] - self.slope * logit_margin(
            probes, predicted
        )
        standard: NDArray[np.float32] = (excess - self.centre) / self.spread
        return standard

    def emit(self, tape: ir.tape.Tape, seen: Emitted) -> ir.Value:
        """The probes' nodes, those of the margins, their standardised differences, the largest.

        ::

            tokens ─ probes ─┐
            logits ──────────┴ Concat ─ margins [batch, K + 1] ─ Gemm ─▶ excess ─ ReduceMax
        """
        layers, classes = self.probes.bias.shape
        layer_axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.excess.layer_axis")
        weights = np.vstack([np.diag(-self.slope / self.spread), 1 / self.spread])
        own = tape.op("Unsqueeze", [seen.logits, layer_axis])
        every = tape.op("Concat", [self.probes.emit(tape, seen.tokens), own], {"axis": 1})
        margins = emit_logit_margin(tape, emit_prediction(tape, own, classes), every)
        excess = tape.op(
            "Gemm",
            [
                margins,
                tape.initializer(ir.tensor(weights.astype(np.float32)), EXCESS_WEIGHTS),
                tape.initializer(ir.tensor(-self.centre / self.spread), "clampdown.excess.bias"),
            ],
        )
        excess.dtype, excess.shape = ir.DataType.FLOAT, ir.Shape([None, layers])
        return tape.op("ReduceMax", [excess, layer_axis], {"keepdims": 0})

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Those of the probes, ``slope``, ``centre`` and ``spread``."""
        return {
            "weights": self.probes.weights,
            "bias": self.probes.bias,
            "slope": self.slope,
            "centre": self.centre,
            "spread": self.spread,
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, NDArray[np.float32]]) -> Self:
        """Take every attribute."""
        rest = {k: v for k, v in tensors.items() if k not in ("weights", "bias")}
        return cls(Probes(tensors["weights"], tensors["bias"]), **rest)


def moments(
    own: NDArray[np.float32], inner: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Slope, centre and spread of the margins of clean rows, float32 ``[K]`` each.

    Args:
        own: float32 ``[n]``, the model's.
        inner: float32 ``[n, K]``, those of probes that were fitted without the row.
    """
    wanted = margin_spread(own)
    slope = np.array([wanted / margin_spread(inner[:, k]) for k in range(inner.shape[1])])
    excess = own[:, None] - slope * inner
    spread = np.maximum(excess.std(axis=0), LEAST_SPREAD)
    return (
        slope.astype(np.float32),
        excess.mean(axis=0).astype(np.float32),
        spread.astype(np.float32),
    )
