"""Shapes kept beside the nodes instead of on their values, where they would slow the graph down."""

import json
from collections.abc import Iterable

import onnx_ir as ir

from clampdown_calib.graphs.sites import ROLE

SHAPES = "clampdown.shapes"
"""Metadata key of a node whose outputs' shapes were hidden: a JSON list of element type and
dimensions, null for an output without a shape."""


class HideShapes(ir.passes.InPlacePass):
    """Moves the shapes of the network's values into their nodes' metadata.

    ONNX Runtime's CPU provider fuses Add and LayerNormalization into SkipLayerNormalization where
    it knows the shapes, and the fused kernel is slower. No session
    option has to be remembered when the shapes are not there to be known.

    Ensures: no value of the network has a shape, but for the graph's inputs and outputs; see
    :func:`restore_shapes`.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Hide them, in the loop's body too."""
        outputs = set(model.graph.outputs)
        for node in model.graph.all_nodes():
            shaped = any(value.shape is not None for value in node.outputs)
            if not shaped or ROLE in node.metadata_props or outputs & set(node.outputs):
                continue
            node.metadata_props[SHAPES] = json.dumps([_description(v) for v in node.outputs])
            for value in node.outputs:
                value.shape = None
        return ir.passes.PassResult(model, modified=True)


def restore_shapes(nodes: Iterable[ir.Node]) -> None:
    """Undo :class:`HideShapes`, also in a graph that was stored, which keeps no type alone."""
    for node in nodes:
        hidden = node.metadata_props.pop(SHAPES, None)
        if hidden is not None:
            for value, described in zip(node.outputs, json.loads(hidden), strict=True):
                if described is not None:
                    element, dimensions = described
                    value.dtype, value.shape = ir.DataType[element], ir.Shape(dimensions)


def _description(value: ir.Value) -> tuple[str, list[int | str | None]] | None:
    if value.shape is None or value.dtype is None:
        return None
    return value.dtype.name, [s if isinstance(s, int) else s.value for s in value.shape]
