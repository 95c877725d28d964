"""Where a graph gives what its probes say."""

from dataclasses import dataclass

import onnx_ir as ir

from clampdown_calib.detectors.excess import EXCESS_WEIGHTS
from clampdown_calib.evidence.margins import PREDICTION_CLASSES
from clampdown_calib.evidence.probes import PROBE_BIAS


@dataclass(frozen=True, slots=True)
class ProbeOutputs:
    """Values of a graph that reads its layers with K probes.

    Attributes:
        probes: what they say, float32 ``[batch, K, C]``.
        every: the same with the model's logits behind it, float32 ``[batch, K + 1, C]``.
        chosen: bool ``[batch, 1, C]``, true at the model's prediction.
        excess: the model's over every probe, float32 ``[batch, K]``.
    """

    probes: ir.Value
    every: ir.Value
    chosen: ir.Value
    excess: ir.Value


def probe_outputs(graph: ir.Graph) -> ProbeOutputs | None:
    """Find them; None in a graph without probes."""
    if PROBE_BIAS not in graph.initializers:
        return None
    probes = _given_with(graph, PROBE_BIAS)
    [every] = [use.node.outputs[0] for use in probes.uses() if use.node.op_type == "Concat"]
    chosen, excess = (_given_with(graph, name) for name in (PREDICTION_CLASSES, EXCESS_WEIGHTS))
    return ProbeOutputs(probes, every, chosen, excess)


def _given_with(graph: ir.Graph, initializer: str) -> ir.Value:
    [use] = graph.initializers[initializer].uses()
    return use.node.outputs[0]
