"""A graph's own precision is recognised, and its layers are found in it."""

import numpy as np
import onnx
import onnx_variants
import pytest
import tiny_graph
from foreign_onnx import BLOCKS, change, read, save_folder
from onnx import TensorProto, helper, numpy_helper
from tiny_transformers import save_tokenizer

from clampdown_calib.graphs.lowering.precision import lower
from clampdown_calib.graphs.onnx_classifier import OnnxClassifier
from clampdown_calib.graphs.onnx_files.stored_precision import stored_precision
from clampdown_calib.graphs.tracing import traced_model
from clampdown_calib.graphs.tracing.traced_model import trace_model
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_calib.options import FitOptions
from clampdown_runtime import ModelError, UnsupportedArchitectureError

ROWS = [[2, 5, 9, 3], [2, 8, 3]]


@pytest.fixture
def folder(tmp_path):
    """Without the weights that are not finite."""
    folder = save_folder(tmp_path / "model")

    def finite(model):
        [place] = [i for i, t in enumerate(model.graph.initializer) if t.name == "embedding"]
        array = np.nan_to_num(tiny_graph.weights()["embedding"], posinf=0)
        model.graph.initializer[place].CopyFrom(numpy_helper.from_array(array, "embedding"))

    change(folder, finite=finite)
    return folder


def weights_alone(path):
    """The embedding in 8 bits, as a file whose activations stay float32."""
    model = onnx.load(path)
    for tensor in list(model.graph.initializer):
        if tensor.name == "embedding":
            array = np.round(numpy_helper.to_array(tensor) * 40).astype(np.int8)
            tensor.CopyFrom(numpy_helper.from_array(array, "embedding_in_8_bits"))
    scale = numpy_helper.from_array(np.array(1 / 40, np.float32), "scale")
    model.graph.initializer.append(scale)
    read_back = helper.make_node(
        "DequantizeLinear", ["embedding_in_8_bits", "scale"], ["embedding"]
    )
    model.graph.node.insert(0, read_back)
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("of", "stored", "close"),
    [
        (lambda path: None, "fp32", 1e-6),
        (onnx_variants.half, "fp16", 1e-2),
        (onnx_variants.half_within, "fp16", 1e-2),
        (onnx_variants.quantized, "int8", 1e-6),
        (weights_alone, "int8", 1e-6),
    ],
)
def test_precision_and_layers_of_a_file(folder, of, stored, close):
    of(folder / "model.onnx")
    graph = read(folder)
    assert stored_precision(graph.model) == stored
    assert graph.layer_names == BLOCKS
    assert {value.dtype.name for value in graph.layers} == {
        "FLOAT16" if stored == "fp16" else "FLOAT"
    }
    classifier = OnnxClassifier(graph)
    runs = [classifier.activations(tiny_graph.padded([row])) for row in ROWS]
    expected = onnx_variants.plain_logits(folder / "model.onnx", ROWS)
    found = np.concatenate([run.logits for run in runs])
    np.testing.assert_allclose(found, expected, rtol=close, atol=close)
    assert found.dtype == np.float32


@pytest.mark.parametrize("kind", [TensorProto.DOUBLE, TensorProto.BFLOAT16])
def test_weights_of_other_types_are_refused(folder, kind):
    def add(model):
        model.graph.initializer.add().CopyFrom(helper.make_tensor("odd", kind, [2, 2], [0.0] * 4))

    change(folder, add=add)
    with pytest.raises(ModelError, match=r"weights in (double|bfloat16) \(odd\).*in float32\."):
        read(folder)


def test_layers_of_several_types_are_refused(folder):
    def halve(model):
        place = next(i for i, n in enumerate(model.graph.node) if "h1" in n.output)
        model.graph.node[place].output[0] = "whole"
        scope = "/bert/encoder/layer.1/output/"
        for index, (source, target, to) in enumerate(
            [("whole", "halved", TensorProto.FLOAT16), ("halved", "h1", TensorProto.FLOAT)]
        ):
            name = scope + "Cast" if index == 0 else "/bert/Cast"
            node = helper.make_node("Cast", [source], [target], name, to=to)
            model.graph.node.insert(place + 1 + index, node)

    change(folder, halve=halve)
    with pytest.raises(UnsupportedArchitectureError, match="several types, float and float16"):
        read(folder)


def traced(folder, precision):
    save_tokenizer(folder)
    return trace_model(
        open_model(folder), load_tokenization(open_model(folder)), FitOptions(precision=precision)
    )


@pytest.mark.parametrize(
    ("of", "stored"), [(onnx_variants.half, "fp16"), (onnx_variants.partly_quantized, "int8")]
)
def test_a_file_in_its_precision_is_lowered_no_further(folder, of, stored):
    of(folder / "model.onnx")
    model = traced(folder, stored)
    assert model.stored == stored
    lowered = lower(model, stored)
    assert lowered.digest() == model.digest()
    # What the defence is held against is the graph as it is deployed.
    assert lowered.reference is not model.reference


def test_padding_is_nothing_to_rows_that_run_alone(folder, monkeypatch):
    def padded(*given, **options):
        raise UnsupportedArchitectureError(
            "The model", found="padding", expected="none", hint="Run rows alone."
        )

    monkeypatch.setattr(traced_model, "require_padding_ignored", padded)
    with pytest.raises(UnsupportedArchitectureError, match="found padding"):
        traced(folder, "int8")
    onnx_variants.quantized(folder / "model.onnx")
    assert traced(folder, "int8").stored == "int8"
