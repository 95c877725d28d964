"""A classifier's graph with its defended layers."""

from dataclasses import dataclass

import onnx_ir as ir

from clampdown_runtime.bundle.manifest import InputName, Representation

LOGITS = "logits"
"""What a bundle's graph calls them."""


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A classifier's graph with its defended layers.

    Attributes:
        model: the graph, without the metadata of its exporter.
        inputs: names of its inputs, in its order.
        layers: the output of every defended layer, in order.
        layer_names: their names.
        representation: the token that the detector reads.
        output: what the logits are called in the file.
    """

    model: ir.Model
    inputs: tuple[InputName, ...]
    layers: tuple[ir.Value, ...]
    layer_names: tuple[str, ...]
    representation: Representation
    output: str = LOGITS
