"""The mean of the tokens that are not padding, at every layer that is read."""

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from clampdown_runtime.errors import ExportError

HALF_SCALE = 2.0**-9
"""Of the sums of half-precision layers, which hold no more than 65,504; exact, as any power of 2,
and so is the number of tokens times it, up to 2,048 of them."""


def token_means(tape: ir.tape.Tape, graph: ir.Graph, layers: Sequence[ir.Value]) -> ir.Value:
    """``mask @ h / sum(mask)``, float32 ``[batch, K, H]`` of K layers ``[batch, sequence, H]``."""
    axis = tape.initializer(ir.tensor(np.array([1])), "clampdown.pooled_axis")
    depth = tape.initializer(ir.tensor(np.array([2])), "clampdown.token_axis")
    kind = layers[0].dtype or ir.DataType.FLOAT
    real = tape.op("Cast", [attention_mask(graph)], {"to": kind})
    row = tape.op("Unsqueeze", [real, axis])
    if kind == ir.DataType.FLOAT16:
        scale = tape.initializer(ir.tensor(np.array(HALF_SCALE, np.float16)), "clampdown.scale")
        row = tape.op("Mul", [row, scale])
    sums = tape.op("Concat", [tape.op("MatMul", [row, h]) for h in layers], {"axis": 1})
    count = tape.op("ReduceSum", [row, depth])
    return tape.op("Div", [as_float(tape, value, layers[0]) for value in (sums, count)])


def as_float(tape: ir.tape.Tape, value: ir.Value, layer: ir.Value) -> ir.Value:
    """``value``, of the type of a layer, as float32."""
    if layer.dtype in (None, ir.DataType.FLOAT):
        return value
    return tape.op("Cast", [value], {"to": ir.DataType.FLOAT})


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
