"""Places in a graph: defended layers' outputs, what the probes give, the nodes that are ours."""

import onnx_ir as ir

from clampdown_calib.detectors.excess import EXCESS_SPREAD
from clampdown_calib.probes import PROBE_BIAS

LAYER = "clampdown.layer"
"""Metadata key of a value that is a defended layer's output; its value is the layer's index."""

ROLE = "clampdown.role"
"""Metadata key of a node that a pass inserted; its value says what for."""


def mark_layers(values: list[ir.Value]) -> None:
    """Mark the outputs of the defended layers, in order."""
    for index, value in enumerate(values):
        value.metadata_props[LAYER] = str(index)


def marked_layers(graph: ir.Graph) -> list[ir.Value]:
    """The marked values of ``graph`` by index."""
    marked = [v for node in graph for v in node.outputs if LAYER in v.metadata_props]
    return sorted(marked, key=lambda value: int(value.metadata_props[LAYER]))


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
