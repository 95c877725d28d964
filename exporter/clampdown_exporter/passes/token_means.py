"""The mean of the tokens that are not padding, at every layer that is read."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from clampdown_runtime.errors import ExportError


def token_means(tape: ir.tape.Tape, graph: ir.Graph, layers: Sequence[ir.Value]) -> ir.Value:
    """``mask @ h / sum(mask)``, float32 ``[batch, K, H]`` of K layers ``[batch, sequence, H]``."""
    axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.pooled_axis")
    depth = tape.initializer(ir.tensor(np.array([2])), "clampdown.token_axis")
    real = tape.op("Cast", [attention_mask(graph)], {"to": ir.DataType.FLOAT})
    row = tape.op("Unsqueeze", [real, axis])
    sums = tape.op("Concat", [tape.op("MatMul", [row, h]) for h in layers], {"axis": 1})
    return tape.op("Div", [sums, tape.op("ReduceSum", [row, depth])])


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
            hint="Export the model with its attention mask.",
        )
    return mask
