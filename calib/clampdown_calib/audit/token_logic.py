"""Where a graph computes with token ids, or decides by its hidden states, beside the network.

A backdoor can be written into a graph's operators instead of its weights (ShadowLogic): nodes that
look for a token and overwrite the logits. In a text classifier token ids do two things alone:
they are looked up in one table, the word embeddings, and they are compared with the padding, which
gives position ids (RoBERTa) or the place of the last token (GPT-2). Hidden states are compared with
nothing. Every value is followed from ``input_ids`` to the logits, and what does something else is
reported where it begins.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
import onnx_ir as ir

from clampdown_calib.audit.dataflow import live_nodes, makers, operator, reads, targets, way
from clampdown_calib.audit.finding import Finding, Kind

TOKENS: Kind = "token-logic"
VALUES: Kind = "value-logic"

LONGEST_WAY = 8
"""Operators of a way to the logits that are shown."""


class Flow(Enum):
    """What a value is made of."""

    IDS = auto()
    """Token ids, at most of another shape or type."""
    PADDING = auto()
    """Which tokens are equal to one constant, and positions counted from that."""
    NETWORK = auto()
    """Hidden states: something that was looked up for the tokens."""
    REPORTED = auto()
    """What follows upon a node that was reported."""


LAYOUT = frozenset(("Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze"))
"""What may happen to token ids before they are looked up or compared."""

POSITIONS = LAYOUT | {
    *("Not", "CumSum", "Mul", "Add", "Sub", "Mod", "ArgMax", "Concat", "Expand", "GatherElements")
}
"""By which transformers counts positions from the padding; all give as many values for any text.
Sub and Mod are in its releases before 4.50: the token before the first padding."""

BY_FIRST_INPUT = LAYOUT | {"CumSum", "Expand"}
"""Those of ``POSITIONS`` whose further inputs are sizes and axes."""

LOOKUPS = frozenset(("Gather", "GatherND", "GatherElements"))

DECIDING = frozenset(
    (
        *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "IsInf", "Sign"),
        *("ArgMax", "ArgMin", "TopK", "NonZero", "Unique", "OneHot", "Hardmax"),
        *("Floor", "Ceil", "Round", "Mod"),
    )
)
"""What turns hidden states into a decision; no supported network has any of it."""

EMBEDDING = "com.microsoft::EmbedLayerNormalization"
"""The fused lookup of BERT's embeddings."""


@dataclass
class _Search:
    """The state of one pass over the nodes, in their order."""

    pad_token_id: int | None
    flows: dict[ir.Value, Flow] = field(default_factory=dict)
    reported: list[tuple[ir.Node, Kind, str, bool]] = field(default_factory=list)
    tables: dict[ir.Value, ir.Node] = field(default_factory=dict)
    position_tables: dict[ir.Value, ir.Node] = field(default_factory=dict)

    def of(self, value: ir.Value | None) -> Flow | None:
        return None if value is None else self.flows.get(value)

    def report(self, node: ir.Node, text: str, *, kind: Kind = TOKENS, review: bool = True) -> Flow:
        self.reported.append((node, kind, text, review))
        return Flow.REPORTED

    def follow(self, node: ir.Node) -> Flow | None:
        """What the node's outputs are made of."""
        found = {flow for value in reads(node) if (flow := self.of(value)) is not None}
        if found == {Flow.REPORTED}:
            return Flow.REPORTED
        if not found or operator(node) in ("Shape", "Size"):
            return None
        if _has_graphs(node):
            hidden = found <= {Flow.NETWORK, Flow.REPORTED}
            what, kind = ("hidden states", VALUES) if hidden else ("token ids", TOKENS)
            return self.report(node, f"control flow that reads {what}", kind=kind)
        if Flow.IDS in found:
            return self._ids(node)
        if operator(node) in LOOKUPS and (flow := self._lookup(node)) is not None:
            return flow
        return self._padding(node, found) if Flow.PADDING in found else self._network(node)

    def _ids(self, node: ir.Node) -> Flow:
        name = operator(node)
        flows = [self.of(value) for value in node.inputs]
        if name in LAYOUT and flows[0] is Flow.IDS and not any(flows[1:]):
            return Flow.IDS
        if name == EMBEDDING:
            return Flow.NETWORK
        if name == "Gather" and flows == [None, Flow.IDS] and node.inputs[0] is not None:
            self.tables.setdefault(node.inputs[0], node)
            return Flow.NETWORK
        if name == "Equal" and sorted(map(str, flows)) == sorted(map(str, [None, Flow.IDS])):
            return self._compared(node)
        return self.report(node, "token ids are computed with")

    def _compared(self, node: ir.Node) -> Flow:
        [other] = [value for value in node.inputs if self.of(value) is None]
        token = _constant(other)
        if token is None:
            return self.report(node, "token ids are compared with what is no single constant")
        if token == self.pad_token_id:
            text = f"positions are counted from the tokens that are {token}, the padding"
            self.report(node, text, review=False)
        elif self.pad_token_id is None:
            self.report(
                node, f"tokens are compared with {token}, which nothing here says is the padding"
            )
        else:
            padding = f"which is not the padding ({self.pad_token_id})"
            self.report(node, f"tokens are compared with {token}, {padding}")
        return Flow.PADDING

    def _lookup(self, node: ir.Node) -> Flow | None:
        """What a lookup by something else than token ids gives; None where no index is."""
        data, index = self.of(node.inputs[0]), self.of(node.inputs[1])
        if index is Flow.NETWORK:
            return self.report(node, "hidden states choose what is looked up", kind=VALUES)
        if index is not Flow.PADDING:
            return None
        if data is Flow.NETWORK:
            return Flow.NETWORK  # the last token
        table = node.inputs[0]
        if data is None and table is not None and operator(node) == "Gather" and _is_table(table):
            self.position_tables.setdefault(table, node)
            return Flow.NETWORK
        return Flow.PADDING if data in (None, Flow.PADDING) else Flow.REPORTED

    def _padding(self, node: ir.Node, found: Collection[Flow]) -> Flow:
        name = operator(node)
        sizes = node.inputs[1:] if name in BY_FIRST_INPUT else ()
        plain = Flow.NETWORK not in found and not any(self.of(value) for value in sizes)
        if name in POSITIONS and plain:
            return Flow.REPORTED if Flow.REPORTED in found else Flow.PADDING
        if name == EMBEDDING:
            return Flow.NETWORK
        return self.report(node, "what tokens are equal to is used for more than positions")

    def _network(self, node: ir.Node) -> Flow:
        name = operator(node)
        decides = name in DECIDING
        if name == "Where":
            decides = self.of(node.inputs[0]) is Flow.NETWORK and not _is_guard(node)
        elif name == "IsNaN":
            uses = [use.node for use in node.outputs[0].uses()]
            decides = not all(use.op_type == "Where" and _is_guard(use) for use in uses)
        elif name == "Cast":
            to = node.attributes["to"].as_int() if "to" in node.attributes else 0
            decides = not ir.DataType(to).is_floating_point()
        elif name == "Compress":
            decides = self.of(node.inputs[1]) is Flow.NETWORK
        if decides:
            return self.report(node, "a decision by hidden states", kind=VALUES)
        return Flow.NETWORK

    def check_tables(self) -> None:
        """Report tables beside the word embeddings."""
        if not self.tables:
            return
        words = max(self.tables, key=_elements)
        for table, node in self.tables.items():
            if table is not words:
                self.report(node, f"token ids are looked up in a second table, {_shape(table)}")
        for table, node in self.position_tables.items():
            if _width(table) != _width(words):
                text = f"positions are looked up in a table of another width, {_shape(table)}"
                self.report(node, text)


def token_logic(
    graph: ir.Graph, file: str, pad_token_id: int | None
) -> tuple[list[Finding], dict[ir.Value, Flow]]:
    """Follow the token ids to the logits.

    Args:
        graph: without functions, its nodes in an order in which they can run.
        file: the graph's name in the findings.
        pad_token_id: of the configuration; None where there is none.

    Returns:
        What was found, and what every value is made of that depends on token ids.
    """
    nodes = live_nodes(graph)
    search = _Search(pad_token_id)
    ids = [value for value in graph.inputs if value.name == "input_ids"]
    if not ids:
        names = ", ".join(str(value.name) for value in graph.inputs)
        found = f"no input input_ids, so that token ids cannot be followed (inputs: {names})"
        return [Finding("inputs", file, found, review=True)], {}
    search.flows[ids[0]] = Flow.IDS
    for node in nodes:
        flow = search.follow(node)
        if flow is not None:
            search.flows.update(dict.fromkeys(node.outputs, flow))
    search.check_tables()
    shown = _shown(makers(targets(graph)), nodes)
    findings = [
        Finding(kind, file, f"{text}: {shown(node)}", review)
        for node, kind, text, review in search.reported
    ]
    return findings, search.flows


def _shown(ends: Collection[ir.Node], nodes: list[ir.Node]) -> Callable[[ir.Node], str]:
    """How a node and its way to the logits are written."""

    def shown(node: ir.Node) -> str:
        names = [_described(node), *(operator(n) for n in way(node, ends, nodes)[1:])]
        if len(names) > LONGEST_WAY:
            names[LONGEST_WAY // 2 : -LONGEST_WAY // 2] = ["…"]
        return " → ".join((*names, "logits"))

    return shown


def _described(node: ir.Node) -> str:
    """The node with its inputs, constants by their value."""
    inputs = []
    for value in node.inputs:
        constant = _constant(value)
        inputs.append(str(constant) if constant is not None else str(value and value.name))
    return f"{operator(node)}({', '.join(inputs)})"


def _constant(value: ir.Value | None) -> int | float | bool | None:
    """The only element of a constant; None of anything else, weights in other files included."""
    tensor = None if value is None else ir.convenience.get_const_tensor(value)
    if tensor is None or isinstance(tensor, ir.ExternalTensor) or tensor.size != 1:
        return None
    array = tensor.numpy()
    if array.dtype.kind not in "iufb":
        return None
    number: int | float | bool = np.asarray(array).reshape(-1)[0].item()
    return number


def _is_table(value: ir.Value) -> bool:
    """Whether a value is stored vectors, rather than ids or sizes."""
    tensor = value.const_value
    return tensor is not None and len(tensor.shape) == 2 and tensor.dtype != ir.DataType.INT64


def _is_guard(where: ir.Node) -> bool:
    """``Where(IsNaN(x), constant, x)``, which torch writes behind a softmax."""
    test = None if where.inputs[0] is None else where.inputs[0].producer()
    if test is None or operator(test) != "IsNaN" or test.inputs[0] is not where.inputs[2]:
        return False
    return _constant(where.inputs[1]) is not None


def _has_graphs(node: ir.Node) -> bool:
    kinds = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return any(attribute.type in kinds for attribute in node.attributes.values())


def _shape_of(table: ir.Value) -> list[int]:
    shape = table.const_value.shape if table.const_value is not None else table.shape
    return [] if shape is None else [size for size in shape if isinstance(size, int)]


def _elements(table: ir.Value) -> int:
    return int(np.prod(_shape_of(table), dtype=object)) if _shape_of(table) else 0


def _width(table: ir.Value) -> int:
    return _shape_of(table)[-1] if len(_shape_of(table)) > 1 else 1


def _shape(table: ir.Value) -> str:
    return f"{table.name} {_shape_of(table)}"
