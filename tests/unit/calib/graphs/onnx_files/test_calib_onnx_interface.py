"""Inputs and logits of an ONNX classifier that are called or typed otherwise, or are not there."""

import numpy as np
import onnx
import onnx_variants
import pytest
import tiny_graph
from foreign_onnx import change, read, save_folder
from onnx import TensorProto, helper

from clampdown_calib.graphs.onnx_classifier import OnnxClassifier
from clampdown_runtime import ModelError


@pytest.fixture
def folder(tmp_path):
    return save_folder(tmp_path / "model")


def refused(folder, pattern):
    with pytest.raises(ModelError, match=pattern) as caught:
        read(folder)
    assert "Export the model" in caught.value.hint


def output(name, *shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def other_outputs(*outputs, operator="Identity"):
    """In place of the logits, each made of them by the operator."""

    def apply(model):
        del model.graph.output[:]
        for value in outputs:
            if value.name not in {name for node in model.graph.node for name in node.output}:
                model.graph.node.add(op_type=operator, input=["logits"], output=[value.name])
            model.graph.output.append(value)

    return apply


def rows():
    return [[2, 5, 9, 3], [2, 3]]


def same_as_file(folder, name):
    graph = read(folder)
    assert graph.output == name
    assert [value.name for value in graph.model.graph.outputs] == ["logits"]
    classifier = OnnxClassifier(graph)
    found = [classifier.activations(tiny_graph.padded([row])).logits[0] for row in rows()]
    expected = onnx_variants.plain_logits(folder / "model.onnx", rows(), name)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)
    onnx.checker.check_model(folder / "model.onnx")
    return graph


@pytest.mark.parametrize("name", ["output_0", "output", "last", "threshold", "flagged"])
def test_the_only_output_that_can_be_the_logits_is_taken(folder, name):
    others = (
        output("h1", "b", "s", 6),
        output("cls", "b", 6),
        output("ids", "b", 3, kind=TensorProto.INT64),
    )

    def ids(model):
        model.graph.node.add(op_type="Cast", input=["logits"], output=["ids"])
        model.graph.node[-1].attribute.append(helper.make_attribute("to", TensorProto.INT64))

    change(folder, ids=ids, apply=other_outputs(*others, output(name, "b", 3)))
    graph = same_as_file(folder, name)
    # The defence's own names are free.
    values = [value.name for node in graph.model.graph for value in node.outputs]
    assert not {"threshold", "anomaly_score", "flagged"} & set(values)
    assert values.count("logits") == 1


def test_weights_with_a_name_of_the_defence_get_another(folder):
    def rename(model):
        for tensor in model.graph.initializer:
            tensor.name = "threshold" if tensor.name == "head" else tensor.name
        model.graph.node[-1].input[1] = "threshold"

    change(folder, rename=rename)
    graph = same_as_file(folder, "logits").model.graph
    assert "threshold" not in graph.initializers
    assert "threshold_of_the_model" in graph.initializers


@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        ([output("cls", "b", 6)], r"the outputs cls FLOAT\[b,6\]; expected an output `logits`, or"),
        ([output("a", "b", 3), output("c", "b", 3)], r"a FLOAT\[b,3\], c FLOAT\[b,3\]"),
        ([output("h1", "b", "s", 6)], "one alone that is float"),
    ],
)
def test_outputs_of_which_none_or_several_can_be_the_logits_are_named(folder, outputs, found):
    change(folder, apply=other_outputs(*outputs))
    refused(folder, found)


@pytest.mark.parametrize("operator", ["Softmax", "Sigmoid"])
def test_probabilities_are_refused(folder, operator):
    change(folder, apply=other_outputs(output("output", "b", 3), operator=operator))
    refused(folder, f"probabilities: output is what a {operator} gives; expected logits")


def test_log_probabilities_are_logits_too(folder):
    change(folder, apply=other_outputs(output("output", "b", 3), operator="LogSoftmax"))
    same_as_file(folder, "output")


@pytest.mark.parametrize("which", [(0,), (1,), (0, 1)])
def test_int32_inputs_are_cast(folder, which):
    def narrow(model):
        for index in which:
            model.graph.input[index].type.tensor_type.elem_type = TensorProto.INT32

    change(folder, narrow=narrow)
    graph = same_as_file(folder, "logits").model.graph
    assert {value.dtype.name for value in graph.inputs} == {"INT64"}


def test_inputs_of_other_types_are_refused(folder):
    def real(model):
        model.graph.input[1].type.tensor_type.elem_type = TensorProto.FLOAT

    change(folder, real=real)
    refused(folder, "attention_mask of the type FLOAT .* expected int64 or int32")


def test_position_ids_are_refused(folder):
    def add(model):
        model.graph.input.add().CopyFrom(model.graph.input[0])
        model.graph.input[2].name = "position_ids"

    change(folder, add=add)
    refused(folder, "a tokenizer does not give position_ids; expected .* perhaps token_type_ids")


def test_missing_attention_mask_is_refused(folder):
    def drop(model):
        model.graph.node[1].CopyFrom(helper.make_node("Cast", ["input_ids"], ["mask"], to=1))
        del model.graph.input[1]

    change(folder, drop=drop)
    refused(folder, r"\['input_ids'\], without attention_mask; expected .* to tell tokens from")


def test_weights_that_are_listed_among_the_inputs(folder):
    onnx_variants.listed_weights(folder / "model.onnx")
    same_as_file(folder, "logits")


def test_a_defended_graph_is_not_defended_again(folder):
    change(folder, apply=other_outputs(output("anomaly_score", "b", 3), output("flagged", "b", 3)))
    with pytest.raises(ModelError, match="defended already"):
        read(folder)
