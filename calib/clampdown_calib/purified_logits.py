"""The logits of a purified row: the layers' votes against a distrusted prediction."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.margins import emit_prediction, prediction

HALF = np.float32(0.5)


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How far an anomalous row's own prediction is distrusted.

    The logit of the class that the model predicts is lowered by
    ``max(0, rate * max(0, score - start)^2 - spared)``: the further a score lies beyond the clean
    ones, the less the prediction that came with it can be what the text says. The logarithm of a
    normal density falls with the square of the distance, and so does that of the odds that the
    prediction was meant.

    Attributes:
        start: score up to which nothing is taken off.
        rate: logits taken off at a score of one more; four times as many at two more.
        spared: of these logits the first that are not taken off.
    """

    start: float
    rate: float
    spared: float

    @classmethod
    def nothing(cls) -> Self:
        """Takes nothing off."""
        return cls(0.0, 0.0, 0.0)

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Every number, float32 ``[1]`` each."""
        return {
            "suspicion.start": np.array([self.start], np.float32),
            "suspicion.rate": np.array([self.rate], np.float32),
            "suspicion.spared": np.array([self.spared], np.float32),
        }


def purified(
    votes: NDArray[np.float32],
    logits: NDArray[np.float32],
    scores: NDArray[np.float32],
    suspicion: Suspicion,
) -> NDArray[np.float32]:
    """The mean of the votes' logits and the model's, with its own prediction distrusted.

    On clean rows both together are right more often than either; where a trigger decides, the
    distrust outweighs the model's half.

    Args:
        votes: float32 ``[n, C]``, the logits of the layers' votes.
        logits: float32 ``[n, C]``, the model's.
        scores: float32 ``[n]``.
        suspicion: how far to distrust.

    Returns:
        float32 ``[n, C]``.
    """
    beyond = np.maximum(scores - np.float32(suspicion.start), np.float32(0))
    chosen = prediction(logits)
    # Multiplied as in the graph, so that a score that is not finite gives NaN in both.
    with np.errstate(invalid="ignore"):
        forced = np.float32(suspicion.rate) * (beyond * beyond)
        less = np.maximum(forced - np.float32(suspicion.spared), np.float32(0))
        result: NDArray[np.float32] = (votes + logits) * HALF - chosen * less[:, None]
    return result


def emit_purified(
    tape: ir.tape.Tape, votes: ir.Value, logits: ir.Value, score: ir.Value, suspicion: Suspicion
) -> ir.Value:
    """The nodes of :func:`purified`."""
    start = tape.initializer(ir.tensor(np.float32(suspicion.start)), "clampdown.suspicion.start")
    rate = tape.initializer(ir.tensor(np.float32(suspicion.rate)), "clampdown.suspicion.rate")
    spared = tape.initializer(ir.tensor(np.float32(suspicion.spared)), "clampdown.suspicion.spared")
    axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.suspicion.class_axis")
    beyond = tape.op("Relu", [tape.op("Sub", [score, start])])
    forced = tape.op("Mul", [tape.op("Mul", [beyond, beyond]), rate])
    less = tape.op("Unsqueeze", [tape.op("Relu", [tape.op("Sub", [forced, spared])]), axis])
    half = tape.initializer(ir.tensor(HALF), "clampdown.suspicion.half")
    both = tape.op("Mul", [tape.op("Add", [votes, logits]), half])
    chosen = emit_prediction(tape, logits, "clampdown.suspicion")
    return tape.op("Sub", [both, tape.op("Mul", [chosen, less])])
