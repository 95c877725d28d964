"""Takes the defence out of a graph again: what it is measured against."""

import onnx_ir as ir
from onnx_ir.passes import common

from clampdown_calib.badacts.insert_clips import CLIP_LOWER, CLIP_UPPER
from clampdown_calib.graphs.hidden_shapes import restore_shapes
from clampdown_calib.graphs.sites import ROLE
from clampdown_exporter.passes.badacts.second_pass import COLLECT_LOGITS
from clampdown_exporter.passes.badacts.shared_prefix import PREFIX, RECOMPUTED
from clampdown_exporter.passes.insert_statistic import THRESHOLD
from clampdown_runtime.sessions.session import UNDEFENDED_LOGITS

CLIPS = (CLIP_LOWER, CLIP_UPPER)
OWN_LOGITS = (UNDEFENDED_LOGITS, "clampdown/undefended/logits")
"""The model's own, by the name that they have now and by that of graphs without this output."""


class RemoveDefence(ir.passes.InPlacePass):
    """The inverse of every mode: the network alone, with ``logits`` as its only output.

    Requires: a graph that this release's passes made.
    Ensures: the nodes and initializers of the graph before the passes.
    """

    def requires(self, model: ir.Model) -> None:
        """Check that the graph is a defended one."""
        if THRESHOLD not in model.graph.initializers:
            raise ir.passes.PreconditionError("RemoveDefence: the graph has no threshold")
        loop = _own_loop(model.graph)
        if loop is not None and _collect(loop) is None:
            raise ir.passes.PreconditionError("RemoveDefence: the loop collects no logits")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Remove what was inserted."""
        graph = model.graph
        logits = graph.outputs[0]
        shape, kind = logits.shape, logits.type
        loop = _own_loop(graph)
        if loop is not None:
            logits = self._unwrap(graph, loop)
        values = (value for node in graph for value in node.outputs)
        logits = next((value for value in values if value.name in OWN_LOGITS), logits)
        restore_shapes(graph)
        del graph.outputs[:]
        for node in graph:
            clipped = node.inputs[0] if node.metadata_props.get(ROLE) in CLIPS else None
            if clipped is not None:
                ir.convenience.replace_all_uses_with(node.outputs[0], clipped)
        graph.inputs.pop(next(i for i, v in enumerate(graph.inputs) if v.name == THRESHOLD))
        graph.outputs.append(logits)
        common.RemoveUnusedNodesPass()(model)
        logits.name, logits.shape, logits.type = "logits", shape, kind
        return ir.passes.PassResult(model, modified=True)

    @staticmethod
    def _unwrap(graph: ir.Graph, loop: ir.Node) -> ir.Value:
        """Move the loop's body back into the graph; returns the network's logits."""
        body = loop.attributes["body"].as_graph()
        logits = _collect(loop)
        if logits is None:
            raise ValueError("the loop collects no logits")
        for state, given in zip(body.inputs[2:], loop.inputs[2:], strict=True):
            if given is not None:
                ir.convenience.replace_all_uses_with(state, given)
        by_name = {str(value.name): value for node in graph for value in node.outputs}
        nodes = list(body)
        body.outputs.clear()
        body.remove(nodes)
        del graph.outputs[:]
        for node in nodes:
            if node.metadata_props.get(ROLE) == RECOMPUTED:
                for value in node.outputs:
                    original = by_name[str(value.name).removeprefix(PREFIX)]
                    ir.convenience.replace_all_uses_with(value, original)
        graph.extend(nodes)
        return logits


def _own_loop(graph: ir.Graph) -> ir.Node | None:
    """The loop of :class:`SecondPass`, if that pass ran; the model may have loops of its own."""
    return next((n for n in graph if n.op_type == "Loop" and ROLE in n.metadata_props), None)


def _collect(loop: ir.Node) -> ir.Value | None:
    """The logits of one trip."""
    for node in loop.attributes["body"].as_graph():
        if node.metadata_props.get(ROLE) == COLLECT_LOGITS:
            return node.inputs[2]
    return None
