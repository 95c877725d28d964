"""What of a graph its outputs are computed from, and in which order: the ground of both searches.

The graph is an :class:`onnx_ir.Graph` of strangers. A node that holds graphs of its own (``If``,
``Loop``) counts as one that reads whatever they read from outside.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator

import onnx_ir as ir

STANDARD = ("", "ai.onnx")


def operator(node: ir.Node) -> str:
    """The operator's name, with its domain where that is not the standard one."""
    return node.op_type if node.domain in STANDARD else f"{node.domain}::{node.op_type}"


def reads(node: ir.Node) -> list[ir.Value | None]:
    """What a node reads: its inputs in order, and what the graphs inside it read from outside."""
    return [*node.inputs, *_captured(node)]


def live_nodes(graph: ir.Graph) -> list[ir.Node]:
    """The nodes that the logits are computed from, in the graph's order.

    In a graph without an output ``logits`` those that any output is computed from.
    """
    waiting = [value.producer() for value in targets(graph)]
    found: set[ir.Node] = set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in found:
            found.add(node)
            waiting += [value.producer() for value in reads(node) if value is not None]
    return [node for node in graph if node in found]


def targets(graph: ir.Graph) -> list[ir.Value]:
    """The logits; every output where none has that name."""
    named = [value for value in graph.outputs if value.name == "logits"]
    return named or list(graph.outputs)


def makers(values: Iterable[ir.Value]) -> set[ir.Node]:
    """The nodes that give the values."""
    return {node for value in values if (node := value.producer()) is not None}


def way(start: ir.Node, ends: Collection[ir.Node], within: Collection[ir.Node]) -> list[ir.Node]:
    """The shortest way from a node to one of some others along the data, both included.

    Args:
        start: where it begins.
        ends: where it may end.
        within: the nodes that it may go through.

    Returns:
        The nodes on it; ``start`` alone where there is none.
    """
    readers: dict[ir.Value, list[ir.Node]] = {}
    for node in within:
        for value in reads(node):
            if value is not None:
                readers.setdefault(value, []).append(node)
    came: dict[ir.Node, ir.Node | None] = {start: None}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        if node in ends:
            return list(_back(node, came))[::-1]
        for reader in (r for value in node.outputs for r in readers.get(value, ())):
            if reader not in came:
                came[reader] = node
                waiting.append(reader)
    return [start]


def _back(node: ir.Node | None, came: dict[ir.Node, ir.Node | None]) -> Iterator[ir.Node]:
    while node is not None:
        yield node
        node = came[node]


def _captured(node: ir.Node) -> list[ir.Value]:
    graphs = [
        graph
        for attribute in node.attributes.values()
        for graph in (
            attribute.as_graphs()
            if attribute.type == ir.AttributeType.GRAPHS
            else [attribute.as_graph()]
            if attribute.type == ir.AttributeType.GRAPH
            else []
        )
    ]
    found: dict[ir.Value, None] = {}
    for graph in graphs:
        own = {*graph.inputs, *graph.initializers.values()}
        inner = list(graph)
        own.update(value for n in inner for value in n.outputs)
        read = [value for n in inner for value in reads(n)]
        found.update((v, None) for v in (*read, *graph.outputs) if v is not None and v not in own)
    return list(found)
