"""In which precision a graph comes: it is not lowered again, and not taken for a float32 one."""

from pathlib import Path
from typing import Literal

import onnx_ir as ir

from clampdown_calib.graphs.onnx_files.refusal import refusal
from clampdown_runtime.bundle.manifest import Precision

Stored = Literal["fp32", "fp16", "int8"]

QUANTIZED = frozenset(
    (
        *("DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"),
        *("QuantizeLinear", "DequantizeLinear", "QLinearMatMul", "QLinearConv"),
    )
)
"""Operators of a quantized graph, dynamically or not."""

FLOATS = (ir.DataType.FLOAT, ir.DataType.FLOAT16)


def stored_precision(model: ir.Model) -> Stored:
    """``int8`` if anything is quantized, ``fp16`` if anything is in half precision, or ``fp32``."""
    if _quantized(model):
        return "int8"
    values = [
        *model.graph.initializers.values(),
        *(v for node in model.graph for v in node.outputs),
    ]
    return "fp16" if any(value.dtype == ir.DataType.FLOAT16 for value in values) else "fp32"


def require_known_types(model: ir.Model, path: Path) -> None:
    """Refuse weights of which no defence was ever fitted.

    Raises:
        ModelError: a matrix is of floating-point numbers other than float32 and float16.
    """
    for value in model.graph.initializers.values():
        kind, shape = value.dtype, value.shape
        if kind is None or not kind.is_floating_point() or kind in FLOATS:
            continue
        if shape is not None and len(shape) > 1:
            raise refusal(
                path,
                f"weights in {kind.name.lower()} ({value.name})",
                "float32, float16, or quantized to int8",
                "Export the model in float32.",
            )


def require_precision(model: ir.Model, path: Path, wanted: Precision) -> Stored:
    """The precision that a graph comes in.

    Raises:
        ModelError: it is another one than is wanted, and no float32, which can be lowered.
    """
    stored = stored_precision(model)
    if stored in ("fp32", wanted):
        return stored
    if stored == "int8":
        operators = ", ".join(sorted(_quantized(model)))
        raise refusal(
            path,
            f"a graph that is quantized already ({operators})",
            f"--precision int8, not {wanted}: its rows have to run one at a time",
            "Pass --precision int8, or the model as it was before it was quantized.",
        )
    raise refusal(
        path,
        "a graph in half precision (float16)",
        f"--precision fp16, not {wanted}",
        "Pass --precision fp16, or export the model in float32.",
    )


def _quantized(model: ir.Model) -> set[str]:
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    return {node.op_type for node in nodes} & QUANTIZED
