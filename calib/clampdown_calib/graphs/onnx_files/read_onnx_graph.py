"""Reads an ONNX classifier that somebody else exported, and finds its layers."""

from collections.abc import Sequence

from clampdown_calib.graphs.onnx_files.interface import INPUTS, use_interface
from clampdown_calib.graphs.onnx_files.layers import find_layers
from clampdown_calib.graphs.onnx_files.load_onnx import load_onnx
from clampdown_calib.graphs.onnx_files.stored_precision import require_known_types
from clampdown_calib.graphs.onnx_graph import OnnxGraph
from clampdown_calib.graphs.strip_metadata import strip_metadata
from clampdown_calib.models.architectures import ARCHITECTURES
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_runtime.bundle.manifest import Representation


def read_onnx_graph(
    folder: ModelFolder,
    *,
    layers: Sequence[str] | None = None,
    representation: Representation | None = None,
) -> OnnxGraph:
    """Read and check the graph and find the layers.

    Args:
        folder: an ``onnx`` model folder.
        layers: indices into the architecture's blocks, globs over module names, or names of
            tensors; None for every block of a known architecture.
        representation: None for the architecture's own.

    Raises:
        ModelError: the file is damaged or too large, reads files outside its folder, uses operators
            of another domain or an unsupported version, or is not a text classifier.
        UnsupportedArchitectureError: its layers cannot be found.
    """
    path = folder.onnx_file
    if path is None:
        raise ValueError(f"{folder.path} is not an ONNX model folder")
    model = load_onnx(path)
    require_known_types(model, path)
    output = use_interface(model, path, classes=len(folder.labels))
    known = ARCHITECTURES.get(folder.model_type)
    names, values = find_layers(model, folder, known.blocks if known else None, layers)
    inputs = tuple(name for value in model.graph.inputs for name in INPUTS if name == value.name)
    strip_metadata(model)
    representation = representation or (known.representation if known else "first")
    return OnnxGraph(model, inputs, values, names, representation, output)
