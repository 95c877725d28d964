"""Lowers a traced graph to a precision before anything of the defence is inserted."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path

import onnx
import onnx_ir as ir
from onnx_ir.passes import common
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

from clampdown_calib.graphs.large_graphs import save_graph
from clampdown_calib.graphs.sites import mark_layers, marked_layers
from clampdown_calib.graphs.tracing.traced_model import TracedModel
from clampdown_runtime.bundle.manifest import Precision
from clampdown_runtime.errors import ExportError
from clampdown_runtime.writing.working_folder import scratch_folder


def lower(traced: TracedModel, precision: Precision) -> TracedModel:
    """The same network in another precision; the defence is inserted in float32 afterwards.

    Args:
        traced: in float32; a graph that came in the precision already is left as it is.
        precision: ``fp32`` leaves it as it is. ``fp16`` stores and computes in half precision.
            ``int8`` is dynamic quantization with a scale for every output channel. Those for CUDA
            are lowered like their namesakes, once fused.

    Returns:
        A marked graph. Its reference is the lowered graph itself: what the
        defence has to agree with is the network that is deployed.

    Raises:
        ExportError: the graph cannot be lowered.
    """
    if precision in ("fp32", "cuda-fp32"):
        return traced
    if traced.stored == precision:
        return dataclasses.replace(traced, reference=traced.source())
    convert = _quantized if precision == "int8" else _half
    names = [str(value.name) for value in marked_layers(traced.graph.graph)]
    try:
        graph = _converted(traced.graph, convert)
    except Exception as error:  # both converters raise whatever their steps raise
        lines = str(error).strip().splitlines() or ["no message"]
        raise _refused(precision, f"{type(error).__name__}: {lines[0]}", "one it can") from error
    layers = {str(v.name): v for node in graph.graph for v in node.outputs if v.name in names}
    if lost := [name for name in names if name not in layers]:
        raise _refused(precision, f"no layers {', '.join(lost)} in the result", "all of them")
    values = [layers[name] for name in names]
    for value in values:
        # The converter knows no types behind operators of other domains.
        if convert is _half and value.dtype is None:
            value.dtype = ir.DataType.FLOAT16
    mark_layers(values)
    lowered = dataclasses.replace(traced, graph=graph)
    return dataclasses.replace(lowered, reference=lowered.source())


def _converted(model: ir.Model, convert: Callable[[Path, Path], None]) -> ir.Model:
    with scratch_folder() as folder:
        before, after = folder / "before.onnx", folder / "after.onnx"
        save_graph(model, before)
        proto = onnx.load(before, load_external_data=False)
        # The converters infer shapes themselves. Those that are stored do not follow when they
        # transpose the weights of a Gemm, and ONNX Runtime before 1.32 refuses the contradiction.
        del proto.graph.value_info[:]
        before.write_bytes(proto.SerializeToString())
        convert(before, after)
        lowered = ir.load(after)
        # In memory, so that the graph outlives its file.
        ir.external_data.load_to_model(lowered)
    lowered.ir_version = model.ir_version
    common.RemoveUnusedOpsetsPass()(lowered)
    return lowered


def _quantized(before: Path, after: Path) -> None:
    """Weights of 7 bits: the sums of 8-bit ones overflow on processors without VNNI.

    Every processor then computes the same integers, and scores and threshold fit everywhere.
    """
    logger = logging.getLogger()
    level = logger.level
    # It advises to optimise the graph first, which would fuse operators of other domains.
    logger.setLevel(logging.ERROR)
    try:
        quantize_dynamic(
            before, after, per_channel=True, reduce_range=True, weight_type=QuantType.QInt8
        )
    finally:
        logger.setLevel(level)


def _half(before: Path, after: Path) -> None:
    """Inputs and outputs stay as they are."""
    # By its name, since it infers the shapes of a large model from a file alone.
    half = convert_float_to_float16(str(before), keep_io_types=True)
    save_graph(ir.from_proto(half), after)


def _refused(precision: Precision, found: str, expected: str) -> ExportError:
    return ExportError(
        f"The graph in {precision}",
        found=found,
        expected=expected,
        hint="Nothing was written. Pass --precision fp32.",
    )
