"""The mean of the tokens that are not padding, at every defended layer."""

import numpy as np
import onnx_ir as ir

from clampdown_exporter.sites import ROLE, marked_layers
from clampdown_runtime.errors import ExportError

MEANS_ROLE = "token-means"
"""Role of the node whose output they are."""


def token_means(tape: ir.tape.Tape, graph: ir.Graph) -> ir.Value:
    """Float32 ``[batch, L, H]``, ``mask @ h / sum(mask)``: those in the graph, or new ones."""
    for node in graph:
        if node.metadata_props.get(ROLE) == MEANS_ROLE:
            return node.outputs[0]
    axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.pooled_axis")
    depth = tape.initializer(ir.tensor(np.array([2])), "clampdown.token_axis")
    real = tape.op("Cast", [attention_mask(graph)], {"to": ir.DataType.FLOAT})
    row = tape.op("Unsqueeze", [real, axis])
    sums = tape.op(
        "Concat", [tape.op("MatMul", [row, h]) for h in marked_layers(graph)], {"axis": 1}
    )
    means = tape.op("Div", [sums, tape.op("ReduceSum", [row, depth])])
    tape.nodes[-1].metadata_props[ROLE] = MEANS_ROLE
    return means


def attention_mask(graph: ir.Graph) -> ir.Value:
    """The input that tells tokens from padding.

    Raises:
        ExportError: there is none.
    """
    mask = next((v for v in graph.inputs if v.name == "attention_mask"), None)
    if mask is None:
        raise ExportError(
            "The model's graph",
            found="no input attention_mask",
            expected="one, to tell tokens from padding",
            do="Export the model with its attention mask.",
        )
    return mask
