"""Where the layers of an ONNX classifier that somebody else exported are."""

import json

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import tiny_graph
import tiny_transformers
from foreign_onnx import BLOCKS, change, path_graph, read, save_folder
from onnx import TensorProto, helper

from clampdown_calib.graphs.onnx_classifier import OnnxClassifier
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_runtime import UnsupportedArchitectureError


@pytest.fixture
def folder(tmp_path):
    return save_folder(tmp_path / "model")


@pytest.mark.parametrize("opset", [13, 17, 18, 20])
def test_layers_are_found_by_path_names_at_every_opset(folder, opset):
    onnx.save(path_graph(opset), folder / "model.onnx")
    graph = read(folder)
    assert graph.layer_names == BLOCKS
    assert [value.name for value in graph.layers] == ["/h0", "h1"]
    assert graph.inputs == ("input_ids", "attention_mask")
    assert graph.representation == "first"
    assert 18 <= graph.model.opset_imports[""] <= 20
    assert set(graph.model.opset_imports) == {""}
    # The rows of every output are named as those of the inputs, whatever the exporter wrote.
    assert graph.model.graph.outputs[0].shape == (*graph.model.graph.inputs[0].shape[:1], 3)


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        (["-1"], BLOCKS[1:]),
        (["1", "0"], BLOCKS),
        (["layer.*"], BLOCKS),
        (["bert.encoder.layer.0"], BLOCKS[:1]),
        (["h1", "/h0"], ("/h0", "h1")),
        # One tensor by two names is one layer.
        (["h1", "-1"], ("h1",)),
        (["bert.embeddings"], ("bert.embeddings",)),
    ],
)
def test_layers_by_number_glob_and_tensor(folder, layers, expected):
    assert read(folder, layers=layers).layer_names == expected


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        (["2"], "2 blocks, and --layers 2"),
        (["0", "nothing"], "nothing that --layers nothing names"),
        (["shape"], "shape"),
        (["cls"], r"FLOAT of the shape .* at --layers cls"),
    ],
)
def test_layers_that_are_not_there(folder, layers, found):
    with pytest.raises(UnsupportedArchitectureError, match=found) as caught:
        read(folder, layers=layers)
    assert "Pass --layers with the names of the tensors" in str(caught.value)


def retype(folder, model_type):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": model_type}))


@pytest.mark.parametrize("model_type", ["home-made", "albert", "gpt2"])
def test_architecture_without_known_layers_is_refused_by_name(folder, model_type):
    retype(folder, model_type)
    with pytest.raises(UnsupportedArchitectureError, match=rf"'{model_type}'.*--layers"):
        read(folder)
    assert len(read(folder, layers=["/h0", "h1"]).layers) == 2


def test_metadata_of_the_exporter_is_gone(folder):
    def leak(model):
        model.doc_string = "someones-own-folder"
        model.graph.node[0].doc_string = "someones-own-folder"
        for holder in (model.metadata_props, model.graph.node[0].metadata_props):
            holder.add(key="stack", value="someones-own-folder")

    change(folder, leak=leak)
    assert b"someones-own-folder" not in ir.to_proto(read(folder).model).SerializeToString()


def test_further_outputs_are_left_out(folder):
    def add(model):
        shape = ["b", "s", tiny_graph.WIDTH]
        model.graph.output.append(helper.make_tensor_value_info("h1", TensorProto.FLOAT, shape))

    change(folder, add=add)
    assert [value.name for value in read(folder).model.graph.outputs] == ["logits"]


@pytest.fixture(scope="module")
def dynamo_folder(tmp_path_factory, bert_folder):
    """A BERT as torch.onnx writes it, module scopes in its metadata."""
    import torch

    folder = tmp_path_factory.mktemp("dynamo")
    (folder / "config.json").write_text((bert_folder / "config.json").read_text())
    names = ["input_ids", "attention_mask", "token_type_ids"]
    dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    torch.onnx.export(
        tiny_transformers.transformer(return_dict=False),
        kwargs={name: torch.ones((2, 5), dtype=torch.int64) for name in names},
        input_names=names,
        output_names=["logits"],
        dynamic_shapes=dict.fromkeys(names, dims),
        opset_version=20,
        dynamo=True,
        verbose=False,
    ).save(str(folder / "model.onnx"))
    return folder


def test_layers_are_found_by_module_scope(dynamo_folder):
    graph = read(dynamo_folder)
    assert graph.layer_names == BLOCKS
    names = ("input_ids", "attention_mask", "token_type_ids")
    ids = tiny_graph.batch(3, 6)
    inputs = {n: ids.get(n, np.zeros((3, 6), np.int64)) % 16 for n in names}
    found = OnnxClassifier(graph).activations(inputs)
    expected = TorchClassifier(tiny_transformers.transformer(), names).activations(inputs)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)
    for of_graph, of_torch in zip(found.hidden, expected.hidden, strict=True):
        np.testing.assert_allclose(of_graph, of_torch, atol=1e-5)


def test_tensor_names_locate_the_same_layers(dynamo_folder):
    by_scope = read(dynamo_folder)
    names = [value.name for value in by_scope.layers]
    assert [v.name for v in read(dynamo_folder, layers=names).layers] == names
