"""Takes the defence out of a graph again: what it is measured against."""

import onnx_ir as ir
import onnx_ir.passes.common as common

from clampdown_exporter.passes.insert_clips import CLIP_LOWER, CLIP_UPPER
from clampdown_exporter.passes.insert_statistic import THRESHOLD
from clampdown_exporter.passes.second_pass import COLLECT_LOGITS
from clampdown_exporter.sites import ROLE


class Undefend(ir.passes.InPlacePass):
    """The inverse of every mode: the network alone, with ``logits`` as its only output.

    Requires: a graph that this release's passes made.
    Ensures: the nodes and initializers of the graph before the passes, in the same order.
    """

    def requires(self, model: ir.Model) -> None:
        """Check that the graph is a defended one."""
        if THRESHOLD not in model.graph.initializers:
            raise ir.passes.PreconditionError("Undefend: the graph has no threshold")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Remove what was inserted."""
        graph = model.graph
        logits = graph.outputs[0]
        shape, kind = logits.shape, logits.type
        loop = next((node for node in graph if node.op_type == "Loop"), None)
        if loop is not None and ROLE in loop.metadata_props:
            logits = self._unwrap(graph, loop)
        del graph.outputs[:]
        for node in graph:
            if node.metadata_props.get(ROLE) in (CLIP_LOWER, CLIP_UPPER):
                ir.convenience.replace_all_uses_with(node.outputs[0], node.inputs[0])
        graph.inputs.pop(next(i for i, v in enumerate(graph.inputs) if v.name == THRESHOLD))
        for node in graph:
            if ROLE not in node.metadata_props and logits in node.outputs:
                break
        graph.outputs.append(logits)
        common.RemoveUnusedNodesPass()(model)
        logits.name, logits.shape, logits.type = "logits", shape, kind
        return ir.passes.PassResult(model, modified=True)

    @staticmethod
    def _unwrap(graph: ir.Graph, loop: ir.Node) -> ir.Value:
        """Move the loop's body back into the graph; returns the network's logits."""
        body = loop.attributes["body"].as_graph()
        collect = next(n for n in body if n.metadata_props.get(ROLE) == COLLECT_LOGITS)
        logits = collect.inputs[2]
        assert logits is not None
        for index, value in enumerate(v for v in graph.inputs if v.name != THRESHOLD):
            ir.convenience.replace_all_uses_with(body.inputs[2 + index], value)
        nodes = [node for node in body]
        body.outputs.clear()
        body.remove(nodes)
        del graph.outputs[:]
        graph.remove(list(graph), safe=False)
        graph.extend(nodes)
        return logits
