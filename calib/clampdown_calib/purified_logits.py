"""The logits of a purified row: the layers' votes against a distrusted prediction."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.margins import LEAST_SPREAD, emit_prediction
from clampdown_calib.readout import Readout
from clampdown_calib.threshold import threshold_at

BEYOND = 0.05
"""Share of clean rows whose predictions are distrusted at all."""

DISTRUST = 1.5
"""Standard deviations of the clean leads that are taken off a prediction for every standard
deviation of its score beyond the clean ones."""

OWN_SHARE = np.float32(1 / 3)
"""Of the model's own logits in the purified ones: on clean rows both together are right more often
than either, and where a trigger decides, the distrust outweighs them."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How far an anomalous row's own prediction is distrusted.

    The logit of the class that the model predicts is lowered by
    ``slope * max(0, score - start)``: the further a score lies beyond the clean ones, the less the
    prediction that came with it can be what the text says.

    Attributes:
        start: score up to which nothing is taken off.
        slope: logits taken off for a score of one more.
    """

    start: float
    slope: float

    @classmethod
    def fit(cls, readout: Readout, scores: NDArray[np.float32]) -> Self:
        """From held-out clean scores of the graph that is deployed, float32 ``[n]``.

        It starts where 5% of clean rows lie beyond, and takes off one and a half standard
        deviations of the clean leads for every standard deviation of the clean scores.
        """
        start = threshold_at(scores, BEYOND)
        usable = scores[np.isfinite(scores)]
        spread = max(float(usable.std(dtype=np.float64)), LEAST_SPREAD)
        return cls(start, DISTRUST * float(readout.spread[0]) / spread)

    @classmethod
    def nothing(cls) -> Self:
        """Takes nothing off."""
        return cls(0.0, 0.0)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Both numbers, float32 ``[1]`` each."""
        return {
            "suspicion.start": np.array([self.start], np.float32),
            "suspicion.slope": np.array([self.slope], np.float32),
        }


def purified(
    votes: NDArray[np.float32],
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
    suspicion: Suspicion,
) -> NDArray[np.float32]:
    """The votes' logits and a share of the model's, with its own prediction distrusted.

    Args:
        votes: float32 ``[n, C]``, the logits of the layers' votes.
        logits: float32 ``[n, C]``, the model's.
        scores: float32 ``[n]``.
        suspicion: how far to distrust.

    Returns:
        float32 ``[n, C]``.
    """
    beyond = np.maximum(scores - np.float32(suspicion.start), np.float32(0))
    chosen = logits.argmax(axis=1)[:, None] == np.arange(logits.shape[1])
    # Multiplied as in the graph, so that a score that is not finite gives NaN in both.
    with np.errstate(invalid="ignore"):
        both = OWN_SHARE * logits + (1 - OWN_SHARE) * votes
        result: NDArray[np.float32] = (
            both - chosen * (np.float32(suspicion.slope) * beyond)[:, None]
        )
    return result


START = "clampdown.suspicion.start"
SLOPE = "clampdown.suspicion.slope"


def emit_purified(
    tape: ir.tape.Tape, votes: ir.Value, logits: ir.Value, score: ir.Value, suspicion: Suspicion
) -> ir.Value:
    """The nodes of :func:`purified`."""
    start = tape.initializer(ir.tensor(np.float32(suspicion.start)), START)
    slope = tape.initializer(ir.tensor(np.float32(suspicion.slope)), SLOPE)
    axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.suspicion.class_axis")
    beyond = tape.op("Relu", [tape.op("Sub", [score, start])])
    less = tape.op("Unsqueeze", [tape.op("Mul", [beyond, slope]), axis])
    shares = {"own_share": OWN_SHARE, "votes_share": 1 - OWN_SHARE}
    own_share, votes_share = (
        tape.initializer(ir.tensor(share), f"clampdown.suspicion.{name}")
        for name, share in shares.items()
    )
    both = tape.op(
        "Add", [tape.op("Mul", [logits, own_share]), tape.op("Mul", [votes, votes_share])]
    )
    chosen = emit_prediction(tape, logits, "clampdown.suspicion")
    return tape.op("Sub", [both, tape.op("Mul", [chosen, less])])
