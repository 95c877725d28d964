"""Whether what was looked up for the tokens reaches the logits around the network's attention.

In a transformer all that is made of the tokens' embeddings goes through one hidden state between
two blocks: whatever way the data takes from the embeddings to the logits, it passes there. A way
around several attention layers has no such place, and along it a graph can look for a token without
any node that is conspicuous by itself.
"""

from collections.abc import Mapping

import onnx_ir as ir

from clampdown_calib.audit.dataflow import live_nodes, operator, reads, way
from clampdown_calib.audit.finding import Finding
from clampdown_calib.audit.token_logic import Flow

AROUND = 1
"""Attention layers that a residual connection goes around."""


def side_ways(graph: ir.Graph, file: str, flows: Mapping[ir.Value, Flow]) -> list[Finding]:
    """Find the ways around more than one attention layer.

    Args:
        graph: as for :func:`token_logic`.
        file: the graph's name in the findings.
        flows: what that function returned.
    """
    nodes = [n for n in live_nodes(graph) if any(flows.get(v) is Flow.NETWORK for v in n.outputs)]
    place = {node: index for index, node in enumerate(nodes)}
    readers: dict[ir.Node, list[ir.Node]] = {node: [] for node in nodes}
    sources = []
    for node in nodes:
        producers = [value.producer() for value in reads(node) if value is not None]
        read = [p for p in producers if p in readers and operator(node) not in ("Shape", "Size")]
        for producer in read:
            if producer is not None:
                readers[producer].append(node)
        if not read:
            sources.append(node)
    # A node lies on every way if no value goes from a node before it to one behind it.
    farthest = max((place[node] for node in sources), default=0)
    start, attention, found = sources[:1], 0, []
    for node in nodes:
        if place[node] < farthest:
            attention += _is_attention(node)
        else:
            if attention > AROUND:
                around = " → ".join(operator(n) for n in way(start[0], {node}, nodes))
                given = ", ".join(str(v.name) for v in start[0].inputs if v is not None)
                text = f"a way around {attention} attention layers, from ({given}): {around}"
                found.append(Finding("side-way", file, text, review=True))
            start, attention = [node], 0
        farthest = max([farthest, *(place[reader] for reader in readers[node])])
    return found


def _is_attention(node: ir.Node) -> bool:
    return node.op_type == "Softmax" or node.op_type.endswith("Attention")
