"""The defended graph with more outputs, for a reader who wants to see why a row was flagged."""

from pathlib import Path

from clampdown_calib.graphs.large_graphs import save_graph
from clampdown_exporter.bundle.graph_file import read_graph
from clampdown_exporter.passes.probe_outputs import probe_outputs
from clampdown_runtime.bundle.files import Bundle

LAYER_EXCESS = "layer_excess"


def write_explained(bundle: Bundle, destination: Path) -> None:
    """Write the bundle's graph with what it computes on its way as further outputs.

    Where the graph has probes: ``layer_excess`` float32 ``[batch, K]``, by how much the model is
    surer than the probe of each of the first K layers, in standard deviations of clean rows; of a
    model of many labels ``[batch, K, classes]``, of each label.

    Args:
        bundle: a verified bundle.
        destination: the ONNX file to write.

    Raises:
        BundleError: the bundle's graph is not valid.
    """
    model = read_graph(bundle)
    graph = model.graph
    said = probe_outputs(graph)
    if said is not None:
        said.excess.name = LAYER_EXCESS
        graph.outputs.append(said.excess)
    save_graph(model, destination)
