"""An ONNX classifier as another exporter writes it: node names are paths, layers unmarked."""

import json

import numpy as np
import onnx
import tiny_graph
from onnx import TensorProto, helper, numpy_helper

from clampdown_calib.graphs.onnx_files.read_onnx_graph import read_onnx_graph
from clampdown_calib.models.model_folder import open_model

BLOCKS = ("bert.encoder.layer.0", "bert.encoder.layer.1")


def path_graph(opset=20):
    """Node names as torch's older exporter and Optimum write them, and no ``value_info``."""
    scope = "/bert/encoder/layer.{}/output/LayerNorm/{}"
    w = tiny_graph.weights()
    nodes = [
        helper.make_node("Gather", ["embedding", "input_ids"], ["emb"], "/bert/embeddings/Gather"),
        helper.make_node("Cast", ["attention_mask"], ["mask"], "/bert/Cast", to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "depth"], ["column"], "/bert/Unsqueeze"),
        helper.make_node("Mul", ["emb", "column"], ["start"], "/bert/embeddings/Mul"),
        helper.make_node("Relu", ["start"], ["r0"], "/bert/encoder/layer.0/attention/Relu"),
        # Shared by both layers, so that it is read outside its scope: no hidden state.
        helper.make_node("Shape", ["r0"], ["shape"], "/bert/encoder/layer.0/attention/Shape"),
        helper.make_node("MatMul", ["r0", "mix"], ["/h0"], scope.format(0, "MatMul")),
        helper.make_node("Reshape", ["/h0", "shape"], ["r1"], "/bert/encoder/layer.1/Reshape"),
        helper.make_node("Relu", ["r1"], ["h1"], scope.format(1, "Relu")),
        helper.make_node("Gather", ["h1", "zero"], ["cls"], "/bert/pooler/Gather", axis=1),
        helper.make_node("MatMul", ["cls", "head"], ["logits"], "/classifier/MatMul"),
    ]
    constants = {**w, "zero": np.array(0), "depth": np.array([2])}
    graph = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "s"])
            for name in ("input_ids", "attention_mask")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def save_folder(path):
    """Write the graph with its configuration into a new folder."""
    path.mkdir()
    labels = {str(i): f"class {i}" for i in range(3)}
    (path / "config.json").write_text(json.dumps({"model_type": "bert", "id2label": labels}))
    onnx.save(path_graph(), path / "model.onnx")
    return path


def read(folder, **options):
    return read_onnx_graph(open_model(folder), **options)


def change(folder, **parts):
    """Applies one change of the graph or model and saves it."""
    model = onnx.load(folder / "model.onnx")
    for change_of in parts.values():
        change_of(model)
    onnx.save(model, folder / "model.onnx")
