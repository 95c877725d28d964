"""What precedes the first clip: computed once, whatever happens to the rows afterwards."""

import onnx_ir as ir

from clampdown_calib.graphs.sites import ROLE

RECOMPUTED = "recomputed"
PREFIX = "clampdown/recomputed/"
"""Begins the name of a copied value; the rest is the name of the value that it copies."""


def split_at(graph: ir.Graph, hidden: ir.Value) -> list[ir.Node]:
    """Leave in ``graph`` what ``hidden`` needs, and take the rest out as nodes for a subgraph.

    Cheap values that both parts need, such as sizes and masks, are copied into the rest: they
    belong to the rows that the subgraph runs on, which need not be all.

    Args:
        graph: without outputs.
        hidden: a value of the graph.

    Returns:
        The nodes of the rest, in order. They read ``hidden`` itself and the graph's inputs.
    """
    nodes = list(graph)
    needed = _ancestors([hidden])
    rest = [node for node in nodes if node not in needed]
    graph.remove(rest)
    outside = {
        value: None
        for node in rest
        for value in node.inputs
        if value is not None and value is not hidden and value.producer() in needed
    }
    again = _ancestors(list(outside))
    copies: dict[ir.Value, ir.Value] = {}
    copied = [_copy(node, copies) for node in nodes if node in again]
    for node in rest:
        for position, value in enumerate(node.inputs):
            if value in copies:
                node.replace_input_with(position, copies[value])
    return [*copied, *rest]


def _ancestors(values: list[ir.Value]) -> set[ir.Node]:
    """Every node that takes part in computing the values."""
    found: set[ir.Node] = set()
    waiting = [producer for value in values if (producer := value.producer()) is not None]
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            inputs = (value for value in node.inputs if value is not None)
            waiting += [p for value in inputs if (p := value.producer()) is not None]
    return found


def _copy(node: ir.Node, copies: dict[ir.Value, ir.Value]) -> ir.Node:
    """A copy that reads copies where there are any; its own outputs are added to them."""
    copy = ir.Node(
        node.domain,
        node.op_type,
        [copies.get(value, value) if value is not None else None for value in node.inputs],
        list(node.attributes.values()),
        num_outputs=len(node.outputs),
        name=f"{PREFIX}{node.name}",
        metadata_props={ROLE: RECOMPUTED},
    )
    for original, value in zip(node.outputs, copy.outputs, strict=True):
        # Without its shape, whose first dimension is that of all rows.
        value.name, value.type = f"{PREFIX}{original.name}", original.type
        copies[original] = value
    return copy
