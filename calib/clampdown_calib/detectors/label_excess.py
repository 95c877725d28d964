"""How much surer the model is of a label, or of its lack, than its earlier layers account for."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.detectors.excess import EXCESS_WEIGHTS, ExcessDetector, moments
from clampdown_calib.detectors.interface import Emitted
from clampdown_calib.evidence.label_probes import label_probes
from clampdown_calib.evidence.questions import emit_answers, signs
from clampdown_calib.evidence.unseen import Unseen
from clampdown_calib.rows.clean_run import CleanRun


@dataclass(frozen=True, slots=True)
class LabelExcessDetector(ExcessDetector):
    """The largest excess over the layers and the labels, each label a question of its own.

    To the question of a label c, the model has the logits 0 and z_c. Its margin is ``|z_c|`` and,
    in the direction of its answer, the probe's is ``sign(z_c) v_kc``; so
    ``excess_kc = (|z_c| - slope_k sign(z_c) v_kc - centre_k) / spread_k``.

    Slope, centre and spread are those of all questions together: of a label that few clean rows
    have its own would say little.

    Attributes:
        probes: of all layers but the last; their logits are the log-odds of each label.
        slope: float32 ``[K]``.
        centre: float32 ``[K]``.
        spread: float32 ``[K]``.
    """

    @classmethod
    def cross_fit(cls, clean: CleanRun) -> tuple[Self, Unseen]:
        """:meth:`fit`, and what it gives of each row without the row."""
        probes, unseen = label_probes(clean)
        sign = signs(clean.logits)
        own, inner = clean.logits * sign, unseen * sign[:, None]
        by_question = inner.transpose(0, 2, 1).reshape(-1, inner.shape[1])
        fitted = cls(probes, *moments(own.reshape(-1), by_question))
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
        slope, centre, spread = (of[:, None] for of in (self.slope, self.centre, self.spread))
        margin = logits[:, None] * sign - slope * (probes * sign)
        standard: NDArray[np.float32] = (margin - centre) / spread
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
                (self.slope[:, None], "clampdown.excess.slope"),
                (self.centre[:, None], "clampdown.excess.centre"),
                (1 / self.spread[:, None], EXCESS_WEIGHTS),
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
