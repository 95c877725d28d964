"""ONNX classifiers as they are found: quantized, in half precision, with int32 inputs, renamed."""

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import tiny_graph
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16


def save_finite_model(folder: Path) -> tuple[str, ...]:
    """:func:`tiny_graph.save_onnx_model` without the weights that are not finite."""
    layers = tiny_graph.save_onnx_model(folder)
    model = ir.load(folder / "model.onnx")
    embedding = model.graph.initializers["embedding"]
    embedding.const_value = ir.tensor(np.nan_to_num(tiny_graph.weights()["embedding"], posinf=0))
    ir.save(model, folder / "model.onnx")
    return layers


def quantized(path: Path) -> None:
    """Dynamically, as Optimum and ONNX Runtime do by default: 8-bit weights, one scale each."""
    quantize_dynamic(path, path, weight_type=QuantType.QInt8)


def partly_quantized(path: Path) -> None:
    """All but the last product, as is done to keep a classifier's head exact."""
    *_, head = (node.name for node in onnx.load(path).graph.node if node.op_type == "MatMul")
    quantize_dynamic(path, path, weight_type=QuantType.QInt8, nodes_to_exclude=[head])


def half(path: Path) -> None:
    """Weights, hidden states and logits in float16."""
    onnx.save(convert_float_to_float16(onnx.load(path)), path)


def half_within(path: Path) -> None:
    """The same with float32 logits."""
    onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), path)


def int32_inputs(path: Path) -> None:
    model = onnx.load(path)
    for value in model.graph.input:
        value.type.tensor_type.elem_type = TensorProto.INT32
    onnx.save(model, path)


def renamed_logits(path: Path, name: str = "output_0") -> None:
    """Other logits, beside hidden states, and a value inside that is called ``logits``."""
    model = onnx.load(path)
    shape = model.graph.output[0].type.tensor_type.shape
    model.graph.node.append(helper.make_node("Identity", ["logits"], [name]))
    hidden = helper.make_tensor_value_info("v4", TensorProto.FLOAT, ["b", "s", tiny_graph.WIDTH])
    output = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    output.type.tensor_type.shape.CopyFrom(shape)
    del model.graph.output[:]
    model.graph.output.extend([hidden, output])
    onnx.save(model, path)


def listed_weights(path: Path) -> None:
    """Weights among the inputs, as files of IR version 3 have them."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        value = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
        model.graph.input.append(value)
    onnx.save(model, path)


def external(path: Path) -> None:
    """Weights in a file beside the graph."""
    onnx.save(
        onnx.load(path),
        path,
        save_as_external_data=True,
        location=f"{path.name}_data",
        # Not the axes, which ONNX Runtime reads from the file itself alone.
        size_threshold=64,
    )


def plain_logits(path: Path, rows: list[list[int]], output: str = "logits") -> np.ndarray:
    """The file's own in plain ONNX Runtime, one row at a time, float32 ``[n, C]``."""
    return np.concatenate([plain_batch(path, [row], output) for row in rows])


def plain_batch(path: Path, rows: list[list[int]], output: str = "logits") -> np.ndarray:
    """The file's own logits of one batch, float32 ``[n, C]``."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    types = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
    padded = tiny_graph.padded(rows)
    feed = {v.name: padded[v.name].astype(types[v.type]) for v in session.get_inputs()}
    return session.run([output], feed)[0].astype(np.float32)
