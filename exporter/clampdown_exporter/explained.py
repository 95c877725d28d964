"""The defended graph with more outputs, for a reader who wants to see why a row was flagged."""

from pathlib import Path

import onnx_ir as ir

from clampdown_runtime.bundle import Bundle

UNDEFENDED_LOGITS = "undefended_logits"
LAYER_DISTANCES = "layer_distances"

_RAW_LOGITS = "clampdown/undefended/logits"
_SPREAD = "clampdown.mahalanobis.spread"


def write_explained(bundle: Bundle, destination: Path) -> None:
    """Write the bundle's graph with what it computes on its way as further outputs.

    Where the graph has them: ``undefended_logits`` float32 ``[batch, classes]``, the model's own,
    and ``layer_distances`` float32 ``[batch, L]`` or ``[batch, 2 L]``, the distance of every
    layer's representation token, and then of every layer's token mean, in standard deviations from
    the mean over clean rows. A graph that clips has no undefended logits, the detector ``nas`` no
    distances.

    Args:
        bundle: a verified bundle.
        destination: the ONNX file to write.
    """
    model = ir.load(bundle.model_path)
    graph = model.graph
    logits = graph.outputs[0]
    raw = next((v for n in graph for v in n.outputs if v.name == _RAW_LOGITS), None)
    if raw is not None:
        raw.type, raw.shape = logits.type, logits.shape
        _give(graph, raw, UNDEFENDED_LOGITS)
    spread = graph.initializers.get(_SPREAD)
    if spread is not None:
        [use] = spread.uses()
        distances = use.node.outputs[0]
        batch = graph.outputs[1].shape
        distances.type = ir.TensorType(ir.DataType.FLOAT)
        distances.shape = ir.Shape([*(batch or ()), *(spread.shape or ())])
        if use.node.graph is graph:
            _give(graph, distances, LAYER_DISTANCES)
    ir.save(model, destination)


def _give(graph: ir.Graph, value: ir.Value, name: str) -> None:
    value.name = name
    graph.outputs.append(value)
