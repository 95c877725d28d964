"""ONNX classifiers that somebody else exported: what is refused, and where their layers are."""

import dataclasses
import json

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import tiny_models
from onnx import TensorProto, helper, numpy_helper

from clampdown_calib.model_folder import open_model
from clampdown_calib.onnx_classifier import OnnxClassifier
from clampdown_calib.onnx_graph import read_onnx_graph
from clampdown_calib.torch_classifier import TorchClassifier
from clampdown_runtime import ModelError, UnsupportedArchitectureError


def path_graph(opset=20):
    """Node names as torch's older exporter and Optimum write them, and no ``value_info``."""
    scope = "/bert/encoder/layer.{}/output/LayerNorm/{}"
    w = tiny_models.weights()
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


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
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


BLOCKS = ("bert.encoder.layer.0", "bert.encoder.layer.1")


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


# --- what is refused -----------------------------------------------------------------------------


def refused(folder, pattern):
    with pytest.raises(ModelError, match=pattern) as caught:
        read(folder)
    assert str(folder / "model.onnx") in str(caught.value)


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_truncated_file(folder, share):
    data = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(data[: int(len(data) * share)])
    refused(folder, "not a whole ONNX model")


def test_file_truncated_between_two_fields(folder):
    # It still parses; a weight that nodes read is gone.
    change(folder, cut=lambda model: model.graph.initializer.pop(1))
    refused(folder, "not a whole ONNX model")


def external(folder, place, name="embedding"):
    model = onnx.load(folder / "model.onnx")
    tensor = next(t for t in model.graph.initializer if t.name == name)
    (folder / "weights.bin").write_bytes(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def test_external_data_beside_the_model(folder):
    before = OnnxClassifier(read(folder)).activations(tiny_models.batch(2, 4))
    digest = open_model(folder).digest()
    external(folder, "weights.bin")
    graph = read(folder)
    with_external = open_model(folder).digest()
    data = bytearray((folder / "weights.bin").read_bytes())
    (folder / "weights.bin").write_bytes(data[:-1] + b"x")
    # The weights are part of the model's identity wherever they lie, and are in memory by now.
    assert len({digest, with_external, open_model(folder).digest()}) == 3
    after = OnnxClassifier(graph).activations(tiny_models.batch(2, 4))
    np.testing.assert_array_equal(before.logits, after.logits)


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "sub/../../secret"])
def test_external_data_outside_the_folder(folder, place):
    (folder.parent / "secret").write_bytes(b"0" * 10_000)
    external(folder, place)
    refused(folder, "outside its folder")
    open_model(folder).digest()


def test_external_data_behind_a_link_out_of_the_folder(folder):
    (folder.parent / "secret").write_bytes(b"0" * 10_000)
    (folder / "link").symlink_to(folder.parent / "secret")
    external(folder, "link")
    refused(folder, "outside its folder")


def test_missing_external_data(folder):
    external(folder, "gone.bin")
    refused(folder, "no file 'gone.bin'")


def test_external_data_inside_an_attribute(folder):
    tensor = TensorProto(name="c", data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    node = helper.make_node("Constant", [], ["unused"], value=tensor)
    change(folder, add=lambda model: model.graph.node.append(node))
    refused(folder, "outside its folder")


def test_custom_domain(folder):
    node = helper.make_node("Evil", ["logits"], ["x"], domain="org.example")
    change(folder, add=lambda model: model.graph.node.append(node))
    refused(folder, "operators of the domain org.example")


def test_custom_domain_inside_a_branch(folder):
    branch = helper.make_graph(
        [helper.make_node("Evil", ["logits"], ["x"], domain="org.example")],
        "branch",
        [],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
    )
    node = helper.make_node("If", ["logits"], ["y"], then_branch=branch, else_branch=branch)
    change(folder, add=lambda model: model.graph.node.append(node))
    refused(folder, "operators of the domain org.example")


def test_newer_operator_set(folder):
    onnx.save(path_graph(21), folder / "model.onnx")
    refused(folder, "operator set 21; expected at most 20")


def test_operator_set_that_cannot_be_converted(folder):
    change(folder, old=lambda model: setattr(model.opset_import[0], "version", 1))
    refused(folder, "operator set 1|not a whole ONNX model")


def rename(old, new):
    def apply(model):
        for node in model.graph.node:
            node.input[:] = [new if name == old else name for name in node.input]
            node.output[:] = [new if name == old else name for name in node.output]
        for value in (*model.graph.input, *model.graph.output):
            value.name = new if value.name == old else value.name

    return apply


def dimension(kind, index, axis, size):
    def apply(model):
        place = getattr(model.graph, kind)[index].type.tensor_type.shape.dim[axis]
        place.Clear()
        setattr(place, "dim_value" if isinstance(size, int) else "dim_param", size)

    return apply


def any_classes(model):
    """As many classes as an initializer says, which no inference follows."""
    rename("logits", "all")(model)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(3, bool), "chosen"))
    model.graph.node.append(helper.make_node("Compress", ["all", "chosen"], ["logits"], axis=1))
    model.graph.output[0].name = "logits"
    dimension("output", 0, 1, "classes")(model)


@pytest.mark.parametrize(
    ("apply", "pattern"),
    [
        (rename("logits", "scores"), r"\['scores'\]; expected an output `logits`"),
        (rename("input_ids", "pixels"), "the inputs"),
        (any_classes, "a fixed number of classes"),
        (dimension("output", 0, 1, 2), "logits of 2 classes|not a whole"),
        (dimension("output", 0, 0, 1), "a fixed number of classes"),
        (dimension("input", 0, 1, 128), "neither of them fixed"),
        (dimension("input", 1, 0, 1), "neither of them fixed"),
    ],
)
def test_graph_that_is_no_text_classifier(folder, apply, pattern):
    change(folder, apply=apply)
    refused(folder, pattern)


def test_classes_of_graph_and_configuration_differ(folder):
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {"0": "a", "1": "b"}
    (folder / "config.json").write_text(json.dumps(config))
    refused(folder, "logits of 3 classes; expected the 2 of config.json")


def test_half_precision_logits(folder):
    def halve(model):
        rename("logits", "full")(model)
        model.graph.node.append(
            helper.make_node("Cast", ["full"], ["logits"], to=TensorProto.FLOAT16)
        )
        model.graph.output[0].name = "logits"
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16

    change(folder, halve=halve)
    refused(folder, "expected float32")


def test_further_outputs_are_left_out(folder):
    def add(model):
        shape = ["b", "s", tiny_models.WIDTH]
        model.graph.output.append(helper.make_tensor_value_info("h1", TensorProto.FLOAT, shape))

    change(folder, add=add)
    assert [value.name for value in read(folder).model.graph.outputs] == ["logits"]


# --- the classifier that runs it -----------------------------------------------------------------


def test_classifier_gives_the_layers_and_leaves_the_graph_as_it_was(folder):
    graph = read(folder)
    classifier = OnnxClassifier(graph)
    assert [value.name for value in graph.model.graph.outputs] == ["logits"]
    assert classifier.layer_names == BLOCKS
    run = classifier.activations(tiny_models.batch(3, 5))
    w = tiny_models.weights()
    mask = tiny_models.batch(3, 5)["attention_mask"][:, :, None]
    h0 = np.maximum(w["embedding"][tiny_models.batch(3, 5)["input_ids"]] * mask, 0) @ w["mix"]
    np.testing.assert_allclose(run.hidden[0], h0, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run.hidden[1], np.maximum(h0, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        run.logits, np.maximum(h0, 0)[:, 0] @ w["head"], rtol=1e-5, atol=1e-5
    )


def test_token_id_outside_the_vocabulary(folder):
    inputs = tiny_models.batch(1, 3)
    inputs["input_ids"][0, 0] = 10_000
    with pytest.raises(ModelError, match="a failed run of 1 rows with 3 tokens"):
        OnnxClassifier(read(folder)).activations(inputs)


def test_layers_of_different_shapes(folder):
    graph = read(folder)
    tensors = {v.name: v for node in graph.model.graph for v in node.outputs}
    odd = dataclasses.replace(graph, layers=(graph.layers[0], tensors["cls"]))
    with pytest.raises(UnsupportedArchitectureError, match=r"expected \[batch, sequence, width\]"):
        OnnxClassifier(odd).activations(tiny_models.batch(2, 3))


# --- torch's own exporter ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dynamo_folder(tmp_path_factory, bert_folder):
    """A BERT as torch.onnx writes it, module scopes in its metadata."""
    import torch

    folder = tmp_path_factory.mktemp("dynamo")
    (folder / "config.json").write_text((bert_folder / "config.json").read_text())
    names = ["input_ids", "attention_mask", "token_type_ids"]
    dims = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    torch.onnx.export(
        tiny_models.transformer(return_dict=False),
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
    ids = tiny_models.batch(3, 6)
    inputs = {n: ids.get(n, np.zeros((3, 6), np.int64)) % 16 for n in names}
    found = OnnxClassifier(graph).activations(inputs)
    expected = TorchClassifier(tiny_models.transformer(), names).activations(inputs)
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)
    for of_graph, of_torch in zip(found.hidden, expected.hidden, strict=True):
        np.testing.assert_allclose(of_graph, of_torch, atol=1e-5)


def test_tensor_names_locate_the_same_layers(dynamo_folder):
    by_scope = read(dynamo_folder)
    names = [value.name for value in by_scope.layers]
    assert [v.name for v in read(dynamo_folder, layers=names).layers] == names
