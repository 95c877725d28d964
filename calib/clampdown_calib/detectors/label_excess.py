"""How much surer the model is of a label, or of its lack, than its earlier layers account for."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.detectors.excess import EXCESS_WEIGHTS, ExcessDetector
from clampdown_calib.detectors.interface import Emitted
from clampdown_calib.evidence.probes import Probes
from clampdown_calib.evidence.questions import (
    emit_answers,
    question,
    signs,
)
from clampdown_calib.evidence.unseen import Unseen
from clampdown_calib.rows.clean_run import CleanRun


@dataclass(frozen=True, slots=True)
class LabelExcessDetector(ExcessDetector):
    """The largest excess over the layers and the labels, each label a question of its own.

    To the question of a label c, the model has the logits 0 and z_c. Its margin is ``|z_c|`` and,
    in the direction of its answer, the probe's is ``sign(z_c) v_kc``; so
    ``excess_kc = (|z_c| - slope_kc sign(z_c) v_kc - centre_kc) / spread_kc``.

    Attributes:
        probes: of all layers but the last; their logits are the log-odds of each label.
        slope: float32 ``[K, C]``.
        centre: float32 ``[K, C]``.
        spread: float32 ``[K, C]``.
    """

    @classmethod
    def cross_fit(cls, clean: CleanRun) -> tuple[Self, Unseen]:
        """:meth:`fit` question by question, and what it gives of each row without the row."""
        fits = [ExcessDetector.cross_fit(question(clean, c)) for c in range(clean.logits.shape[1])]
        weights, bias, unseen = (
            np.stack([pair[..., 1] - pair[..., 0] for pair in pairs], axis=-1)
            for pairs in zip(
                *((fit.probes.weights, fit.probes.bias, of.probes) for fit, of in fits), strict=True
            )
        )
        moments = (
            np.stack(moment, axis=1)
            for moment in zip(
                *((fit.slope, fit.centre, fit.spread) for fit, _ in fits), strict=True
            )
        )
        fitted = cls(Probes(weights, bias), *moments)
        return fitted, Unseen(unseen, fitted.excess(clean.logits, unseen))

    def score(self, run: CleanRun) -> NDArray[np.float32]:
        """The largest excess, float32 ``[n]``."""
        excess = self.excess(run.logits, self.probes.logits(run.pooled))
        largest: NDArray[np.float32] = excess.max(axis=(1, 2))
        return largest

    def excess(
        self, logits: NDArray[np.float32], probes: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """That over every layer for every label, float32 ``[n, K, C]``.

        Args:
            logits: float32 ``[n, C]``, the model's.
            probes: float32 ``[n, K, C]``, the probes'.
        """
        sign = signs(logits)[:, None]
        margin = logits[:, None] * sign - self.slope * (probes * sign)
        standard: NDArray[np.float32] = (margin - self.centre) / self.spread
        return standard

    def emit(self, tape: ir.tape.Tape, seen: Emitted) -> ir.Value:
        """The nodes of :meth:`score`.

        ::

            tokens ─ probes ─┐
            logits ──────────┴ Concat ─ Mul sign ─ Split ─ margins ─▶ excess ─ ReduceMax
        """
        layers, labels = self.probes.bias.shape
        axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.excess.layer_axis")
        one, minus_one, slope, centre, weights = (
            tape.initializer(ir.tensor(value.astype(np.float32)), name)
            for value, name in (
                (np.float32(1), "clampdown.excess.yes"),
                (np.float32(-1), "clampdown.excess.no"),
                (self.slope, "clampdown.excess.slope"),
                (self.centre, "clampdown.excess.centre"),
                (1 / self.spread, EXCESS_WEIGHTS),
            )
        )
        own = tape.op("Unsqueeze", [seen.logits, axis])
        every = tape.op("Concat", [self.probes.emit(tape, seen.tokens), own], {"axis": 1})
        sign = tape.op("Where", [emit_answers(tape, own), one, minus_one])
        parts = tape.initializer(ir.tensor(np.array([layers, 1])), "clampdown.excess.parts")
        inner, outer = tape.op_multi_out(
            "Split", [tape.op("Mul", [every, sign]), parts], {"axis": 1}, num_outputs=2
        )
        margin = tape.op("Sub", [outer, tape.op("Mul", [inner, slope])])
        excess = tape.op("Mul", [tape.op("Sub", [margin, centre]), weights])
        excess.dtype, excess.shape = ir.DataType.FLOAT, ir.Shape([None, layers, labels])
        questions = tape.initializer(ir.tensor(np.array([1, 2])), "clampdown.excess.question_axes")
        return tape.op("ReduceMax", [excess, questions], {"keepdims": 0})
