"""The defended graph with more outputs, for a reader who wants to see why a row was flagged."""

from pathlib import Path

import onnx_ir as ir

from clampdown_calib.graphs.large_graphs import save_graph
from clampdown_exporter.bundle.graph_file import read_graph
from clampdown_exporter.passes.insert_answer import UNDEFENDED_LOGITS as RAW_LOGITS
from clampdown_exporter.passes.probe_outputs import probe_outputs
from clampdown_runtime.bundle.files import Bundle

UNDEFENDED_LOGITS = "undefended_logits"
LAYER_EXCESS = "layer_excess"


def write_explained(bundle: Bundle, destination: Path) -> None:
    """Write the bundle's graph with what it computes on its way as further outputs.

    Where the graph has them: ``undefended_logits`` float32 ``[batch, classes]``, the model's own,
    and ``layer_excess`` float32 ``[batch, K]``, by how much it is surer than the probe of each of
    the first K layers, in standard deviations of clean rows; of a model of many labels ``[batch, K,
    classes]``, of each label. A graph of the published method has
    neither.

    Args:
        bundle: a verified bundle.
        destination: the ONNX file to write.

    Raises:
        BundleError: the bundle's graph is not valid.
    """
    model = read_graph(bundle)
    graph = model.graph
    logits = graph.outputs[0]
    raw = next((v for n in graph for v in n.outputs if v.name == RAW_LOGITS), None)
    if raw is not None:
        raw.type, raw.shape = logits.type, logits.shape
        _give(graph, raw, UNDEFENDED_LOGITS)
    said = probe_outputs(graph)
    if said is not None:
        _give(graph, said.excess, LAYER_EXCESS)
    save_graph(model, destination)


def _give(graph: ir.Graph, value: ir.Value, name: str) -> None:
    value.name = name
    graph.outputs.append(value)
