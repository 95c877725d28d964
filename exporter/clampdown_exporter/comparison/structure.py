"""A graph as digests: equal ones stand for equal computations, whatever names the values have."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import onnx_ir as ir

GRAPHS = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)


@dataclass(frozen=True, slots=True)
class Structure:
    """What a graph computes.

    Attributes:
        nodes: each with its digest, which stands for its operator, its attributes and everything
            that it is computed from. Nodes that only hold a constant are left out.
        weights: names of initializers and constants, each with the digest of type, shape and bytes.
        inputs: their names.
        outputs: their names with their digests.
        names: by digest, a value that has it.
        reads: by node, the digests of what it reads.
        made: digests of what nodes give.
    """

    nodes: list[tuple[ir.Node, bytes]] = field(default_factory=list)
    weights: list[tuple[str, bytes]] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    outputs: list[tuple[str, bytes]] = field(default_factory=list)
    names: dict[bytes, str] = field(default_factory=dict)
    reads: dict[ir.Node, list[bytes]] = field(default_factory=dict)
    made: set[bytes] = field(default_factory=set)


def structure_of(graph: ir.Graph) -> Structure:
    """The structure of a graph, the graphs inside its nodes included.

    Args:
        graph: its nodes in an order in which they can run, its weights in memory.
    """
    found, digests = Structure(), dict[ir.Value, bytes]()
    for value in graph.inputs:
        if str(value.name) not in graph.initializers:
            digests[value] = _digest("input", value.name)
        found.inputs.append(str(value.name))
    _visit(graph, digests, found, 0)
    for value in graph.outputs:
        found.outputs.append((str(value.name), _of(value, digests)))
    for value, digest in digests.items():
        found.names.setdefault(digest, str(value.name))
    return found


def _visit(graph: ir.Graph, digests: dict[ir.Value, bytes], found: Structure, level: int) -> None:
    """Add a graph's weights and nodes to what was found, and the digests of its values."""
    for value in graph.initializers.values():
        if value.const_value is not None:
            digests[value] = _tensor(value.const_value)
            found.weights.append((str(value.name), digests[value]))
    for node in graph:
        constant = _constant(node)
        if constant is not None:
            digests[node.outputs[0]] = _tensor(constant)
            found.weights.append((str(node.outputs[0].name), _tensor(constant)))
            continue
        read = [_of(value, digests) for value in node.inputs]
        while read and node.inputs[len(read) - 1] is None:
            read.pop()  # an input that is left out at the end is the same as none
        attributes = [
            (name, attribute.type.name, _attribute(attribute, digests, found, level))
            for name, attribute in sorted(node.attributes.items())
        ]
        domain = "" if node.domain == "ai.onnx" else node.domain
        digest = _digest(domain, node.op_type, attributes, read)
        found.nodes.append((node, digest))
        found.reads[node] = read
        for index, value in enumerate(node.outputs):
            digests[value] = _digest("output", digest, index)
            found.made.add(digests[value])


def _attribute(
    attribute: ir.Attr, digests: dict[ir.Value, bytes], found: Structure, level: int
) -> object:
    if attribute.type in GRAPHS:
        single = attribute.type == ir.AttributeType.GRAPH
        graphs: Iterable[ir.Graph] = [attribute.as_graph()] if single else attribute.as_graphs()
        return [_inner(graph, digests, found, level + 1) for graph in graphs]
    if attribute.type == ir.AttributeType.TENSOR:
        return _tensor(attribute.as_tensor())
    if attribute.type == ir.AttributeType.TENSORS:
        return [_tensor(tensor) for tensor in attribute.as_tensors()]
    return attribute.value


def _inner(
    graph: ir.Graph, digests: dict[ir.Value, bytes], found: Structure, level: int
) -> list[bytes]:
    """What a graph inside a node gives; its own inputs are known by their place."""
    for index, value in enumerate(graph.inputs):
        digests[value] = _digest("inner input", level, index)
    _visit(graph, digests, found, level)
    return [_of(value, digests) for value in graph.outputs]


def _constant(node: ir.Node) -> ir.TensorProtocol | None:
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx"):
        return None
    return ir.convenience.get_const_tensor(node.outputs[0])


def _of(value: ir.Value | None, digests: dict[ir.Value, bytes]) -> bytes:
    return b"" if value is None else digests[value]


def _tensor(tensor: ir.TensorProtocol) -> bytes:
    kind = _digest("tensor", tensor.dtype.name, [*tensor.shape])
    return hashlib.sha256(kind + hashlib.sha256(tensor.tobytes()).digest()).digest()


def _digest(*parts: object) -> bytes:
    # repr tells apart what differs: parts are texts, numbers, bytes, and lists and tuples of them.
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).digest()
