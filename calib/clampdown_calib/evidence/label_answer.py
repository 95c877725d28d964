"""The answer to a row of a model of many labels: to every question the mixture of two answers."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.evidence.answer import FORCED_RIGHT, LOGISTIC, Answer
from clampdown_calib.evidence.questions import answers, question_temperature, signs, true_answers
from clampdown_calib.rows.clean_run import CleanRun


@dataclass(frozen=True, slots=True)
class LabelAnswer(Answer):
    """:class:`Answer` to each question, whose answers have the logits 0 and z.

    ``p(yes) / p(no)`` is the ratio of the two mixtures of ``sigmoid(a z)`` and, weighed by the odds
    of the label's own excess, ``sigmoid(v_k)`` with the model's answer weighed by
    :data:`FORCED_RIGHT`.

    Attributes:
        log_odds: float32 ``[1]``, of the prior chance that an answer was forced.
        sharpness: float32 ``[1]``, a: the inverse temperature of the model's logits.
    """

    @classmethod
    def sharpness_of(cls, run: CleanRun) -> float:
        """The inverse temperature of all questions together; 1 without labels."""
        return 1.0 if run.labels is None else question_temperature(run.logits, run.labels)

    @classmethod
    def said(cls, logits: NDArray[np.float32]) -> NDArray[np.int64]:
        """The answers, int64 ``[n, C]``."""
        return answers(logits)

    @classmethod
    def truth(cls, run: CleanRun) -> NDArray[np.int64]:
        """The labels or the model's own answers, int64 ``[n, C]``."""
        return true_answers(run)

    def logits(
        self,
        probes: NDArray[np.float32],
        excess: NDArray[np.float32],
        own: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """The log-odds of yes in the mixture, float32 ``[n, C]``.

        Args:
            probes: float32 ``[n, K, C]``, the probes' logits.
            excess: float32 ``[n, K, C]``, the model's excess over each.
            own: float32 ``[n, C]``, the model's logits.
        """
        less = np.float32(math.log(FORCED_RIGHT)) * signs(own)[:, None]
        odds = np.float32(LOGISTIC) * excess + self.log_odds - np.float32(np.log(excess.shape[1]))
        said = np.concatenate([probes + less, own[:, None] * self.sharpness], axis=1)
        odds = np.concatenate([odds, np.zeros_like(own)[:, None]], axis=1)
        with np.errstate(invalid="ignore"):
            yes, no = (
                np.logaddexp.reduce(odds - np.logaddexp(np.float32(0), -side * said), axis=1)
                for side in (1, -1)
            )
            mixture: NDArray[np.float32] = yes - no
        return mixture

    def emit(
        self, tape: ir.tape.Tape, every: ir.Value, chosen: ir.Value, excess: ir.Value, layers: int
    ) -> ir.Value:
        """The nodes of :meth:`logits`.

        Args:
            tape: where nodes and initializers are recorded.
            every: float32 ``[batch, K + 1, C]``, the probes' logits and behind them the model's.
            chosen: bool ``[batch, 1, C]``, true where the model says yes.
            excess: float32 ``[batch, K, C]``, the model's over each probe.
            layers: K.
        """
        last = np.arange(layers + 1)[:, None] == layers
        less = np.where(last, 0, math.log(FORCED_RIGHT))
        constants: dict[str, NDArray[Any]] = {
            "sharpness": np.where(last, self.sharpness, 1),
            "less": less,
            "more": -less,
            "logistic": LOGISTIC * np.eye(layers + 1, layers),
            "log_odds": np.where(last, 0, self.log_odds - np.log(layers)),
        }
        named = {
            name: tape.initializer(ir.tensor(value.astype(np.float32)), f"clampdown.answer.{name}")
            for name, value in constants.items()
        }
        axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.answer.layer_axis")
        shift = tape.op("Where", [chosen, named["less"], named["more"]])
        said = tape.op("Add", [tape.op("Mul", [every, named["sharpness"]]), shift])
        odds = tape.op("Add", [tape.op("MatMul", [named["logistic"], excess]), named["log_odds"]])
        yes, no = (
            tape.op(
                "ReduceLogSumExp",
                [tape.op("Sub", [odds, tape.op("Softplus", [side])]), axis],
                {"keepdims": 0},
            )
            for side in (tape.op("Neg", [said]), said)
        )
        return tape.op("Sub", [yes, no])
