"""The answer to a row whose prediction may have been forced: a mixture by the odds that it was."""

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from scipy.special import log_softmax

from clampdown_calib.evidence.margins import prediction
from clampdown_calib.evidence.temperature import inverse_temperature
from clampdown_calib.evidence.unseen import Unseen
from clampdown_calib.rows.clean_run import CleanRun

PRIORS = (0.01, 0.05)
"""The least and the largest prior chance that a prediction was forced. A least one, since poisoned
clean rows, which the model is right about by its trigger, could disarm the defence otherwise."""

STEPS = 20
"""Priors that are tried, evenly spaced in their log-odds."""

FORCED_RIGHT = 0.5
"""How often a forced prediction is right, beside any other class: an attacker has less use for a
trigger in texts of the class that it leads to."""

LOGISTIC = math.pi / math.sqrt(3)
"""One over the scale of a logistic distribution whose standard deviation is 1."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A mixture of the model's own probabilities and those of its probes.

    ``p(c) ~ softmax(a z)_c + sum_k exp(LOGISTIC excess_k + log_odds) / K q_k(c)`` with the model's
    logits z and, of the K probes' logits v_k, ``q_k = softmax(v_k)`` with the model's prediction
    weighed by :data:`FORCED_RIGHT`. Each term is a hypothesis, weighed by its odds: the prediction
    was meant, or it was forced from behind layer k on. The share of clean rows that exceed an
    excess falls as the tail of a logistic distribution, and a forced prediction exceeds it surely,
    so by Bayes' rule the odds are the prior ones over that share.

    Attributes:
        log_odds: float32 ``[1]``, of the prior chance that a prediction was forced.
        sharpness: float32 ``[1]``, a: the inverse temperature of the model's logits.
    """

    log_odds: NDArray[np.float32]
    sharpness: NDArray[np.float32]

    @classmethod
    def fit(cls, run: CleanRun, unseen: Unseen, threshold: float) -> Self:
        """Fit on clean rows, each read by what was fitted without it.

        The prior is the largest at which, and at every smaller one, as many of them are answered
        right as by the model. Without labels the model's predictions are taken for right.

        Args:
            run: of the rows.
            unseen: their excess and the probes' logits.
            threshold: rows with a higher score are flagged, and the others keep their answer.
        """
        sharpness, truth = np.array([cls.sharpness_of(run)], np.float32), cls.truth(run)
        flagged = ~(unseen.scores <= np.float32(threshold))
        right = (cls.said(run.logits) == truth).T

        least, largest = (math.log(prior / (1 - prior)) for prior in PRIORS)
        chosen = cls(np.array([least], np.float32), sharpness)
        for log_odds in np.linspace(least, largest, STEPS):
            tried = cls(np.array([log_odds], np.float32), sharpness)
            answers = cls.said(tried.logits(unseen.probes, unseen.excess, run.logits))
            still_right = np.where(flagged, (answers == truth).T, right)
            if still_right.sum() < right.sum():
                break
            chosen = tried
        return chosen

    @classmethod
    def sharpness_of(cls, run: CleanRun) -> float:
        """The inverse temperature of the model's logits; 1 without labels."""
        return 1.0 if run.labels is None else inverse_temperature(run.logits, run.labels)

    @classmethod
    def said(cls, logits: NDArray[np.float32]) -> NDArray[np.int64]:
        """The classes that logits float32 ``[n, C]`` predict, int64 ``[n]``."""
        predicted: NDArray[np.int64] = logits.argmax(axis=1)
        return predicted

    @classmethod
    def truth(cls, run: CleanRun) -> NDArray[np.int64]:
        """The classes of the rows, int64 ``[n]``."""
        return run.classes

    def logits(
        self,
        probes: NDArray[np.float32],
        excess: NDArray[np.float32],
        own: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """The logarithm of the mixture, float32 ``[n, C]``.

        Args:
            probes: float32 ``[n, K, C]``, the probes' logits.
            excess: float32 ``[n, K]``, the model's excess over each.
            own: float32 ``[n, C]``, the model's logits.
        """
        less = np.float32(math.log(FORCED_RIGHT)) * prediction(own)
        odds = np.float32(LOGISTIC) * excess + self.log_odds - np.float32(np.log(excess.shape[1]))
        with np.errstate(invalid="ignore"):
            forced = log_softmax(probes + less[:, None], axis=2) + odds[:, :, None]
            meant = log_softmax(own * self.sharpness, axis=1)
            mixture: NDArray[np.float32] = log_softmax(
                np.logaddexp.reduce(np.concatenate([forced, meant[:, None]], axis=1), axis=1),
                axis=1,
            )
        return mixture

    def emit(
        self, tape: ir.tape.Tape, every: ir.Value, chosen: ir.Value, excess: ir.Value, layers: int
    ) -> ir.Value:
        """The nodes of :meth:`logits`, a hypothesis for every row of ``every``.

        Args:
            tape: where nodes and initializers are recorded.
            every: float32 ``[batch, K + 1, C]``, the probes' logits and behind them the model's.
            chosen: bool ``[batch, 1, C]``, true at the model's prediction.
            excess: float32 ``[batch, K]``, the model's over each probe.
            layers: K.
        """
        last = np.arange(layers + 1)[:, None] == layers
        constants: dict[str, NDArray[Any]] = {
            "sharpness": np.where(last, self.sharpness, np.float32(1)),
            "less": np.where(last, 0, np.float32(math.log(FORCED_RIGHT))),
            "logistic": np.float32(LOGISTIC) * np.eye(layers, layers + 1, dtype=np.float32),
            "log_odds": np.where(last[:, 0], 0, self.log_odds - np.float32(np.log(layers))),
            "layer_axis": np.array([1]),
            "class_axis": np.array([2]),
        }
        named = {
            name: tape.initializer(ir.tensor(value), f"clampdown.answer.{name}")
            for name, value in constants.items()
        }
        shares = {"axis": -1}
        sharp = tape.op("Mul", [every, named["sharpness"]])
        less = tape.op("Where", [chosen, tape.op("Add", [sharp, named["less"]]), sharp])
        odds = tape.op("Gemm", [excess, named["logistic"], named["log_odds"]])
        weighed = tape.op(
            "Add",
            [
                tape.op("LogSoftmax", [less], shares),
                tape.op("Unsqueeze", [odds, named["class_axis"]]),
            ],
        )
        mixture = tape.op("ReduceLogSumExp", [weighed, named["layer_axis"]], {"keepdims": 0})
        return tape.op("LogSoftmax", [mixture], shares)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Every attribute."""
        return {"log_odds": self.log_odds, "sharpness": self.sharpness}
