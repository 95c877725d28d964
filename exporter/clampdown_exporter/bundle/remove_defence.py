"""The undefended graph of a bundle: what every figure of the defence is measured against."""

from pathlib import Path

from clampdown_calib.graphs.large_graphs import save_graph
from clampdown_exporter.bundle.graph_file import read_graph
from clampdown_exporter.passes.pipeline import rewrite
from clampdown_exporter.passes.remove_defence import RemoveDefence
from clampdown_runtime.bundle.files import Bundle


def write_undefended(bundle: Bundle, destination: Path) -> None:
    """Take the defence out of a bundle's graph and write what is left, one ``.onnx`` file.

    Raises:
        BundleError: the graph is not valid.
        ExportError: the graph is not one that this release defended.
    """
    model = read_graph(bundle)
    rewrite(model, (RemoveDefence(),))
    save_graph(model, destination)
