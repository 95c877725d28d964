"""Marks in a graph: the outputs of the defended layers, and the nodes that are ours."""

import onnx_ir as ir

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
