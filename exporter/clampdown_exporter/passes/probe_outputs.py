"""Where a graph gives what its probes say."""

import onnx_ir as ir

from clampdown_calib.detectors.excess import EXCESS_SPREAD
from clampdown_calib.evidence.probes import PROBE_BIAS


def probe_logits(graph: ir.Graph) -> ir.Value | None:
    """What the probes give, float32 ``[batch, K, C]``; None without probes."""
    return _given_with(graph, PROBE_BIAS)


def layer_excess(graph: ir.Graph) -> ir.Value | None:
    """The model's excess over every probe, float32 ``[batch, K]``; None without probes."""
    return _given_with(graph, EXCESS_SPREAD)


def _given_with(graph: ir.Graph, initializer: str) -> ir.Value | None:
    value = graph.initializers.get(initializer)
    if value is None:
        return None
    [use] = value.uses()
    return use.node.outputs[0]
