"""What every layer but the last says of a text, to hold the model's own answer against."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.evidence.discriminants import cross_fitted, discriminants
from clampdown_calib.evidence.temperature import inverse_temperature
from clampdown_calib.rows.clean_run import CleanRun

PROBE_BIAS = "clampdown.probe.bias"
"""Initializer of the node that gives the probes' logits, by which they are found in a graph."""


def probed_layers(count: int) -> int:
    """How many of the first of ``count`` layers are probed: all but the last, and at least one.

    In the last one a trigger has decided already.
    """
    return max(count - 1, 1)


@dataclass(frozen=True, slots=True)
class Probes:
    """Linear probes: at every layer the :func:`discriminants` of the token means.

    Their logits are calibrated on clean rows that they were not fitted on, see
    :func:`inverse_temperature`: their softmax says how often a probe is right.

    Attributes:
        weights: float32 ``[K, H, C]`` of the K layers that are probed.
        bias: float32 ``[K, C]``.
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def fit(cls, run: CleanRun) -> tuple[Self, NDArray[np.float32]]:
        """Fit on clean rows.

        Args:
            run: of the rows.

        Returns:
            The probes, and the logits float32 ``[n, K, C]`` that probes fitted without a row give
            of it.
        """
        values = run.pooled[:, : probed_layers(run.pooled.shape[1])].astype(np.float64)
        classes, count = run.classes, run.logits.shape[1]
        unseen = cross_fitted(values, classes, count)
        scales = np.array(
            [inverse_temperature(unseen[:, layer], classes) for layer in range(values.shape[1])]
        )
        weights, bias = discriminants(values, classes, count)
        fitted = cls(
            (weights * scales[:, None, None]).astype(np.float32),
            (bias * scales[:, None]).astype(np.float32),
        )
        return fitted, (unseen * scales[:, None]).astype(np.float32)

    def logits(self, pooled: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits float32 ``[n, K, C]`` of the token means of all layers, float32 ``[n, L, H]``."""
        read = pooled[:, : len(self.bias)]
        result: NDArray[np.float32] = np.einsum("nkh,khc->nkc", read, self.weights) + self.bias
        return result

    def emit(self, tape: ir.tape.Tape, pooled: ir.Value) -> ir.Value:
        """The nodes of :meth:`logits`, of the K layers' float32 ``[batch, K, H]``."""
        axis = tape.initializer(ir.tensor(np.array([2])), "clampdown.probe.row_axis")
        weights = tape.initializer(ir.tensor(self.weights), "clampdown.probe.weights")
        bias = tape.initializer(ir.tensor(self.bias), PROBE_BIAS)
        products = tape.op("MatMul", [tape.op("Unsqueeze", [pooled, axis]), weights])
        return tape.op("Add", [tape.op("Squeeze", [products, axis]), bias])
