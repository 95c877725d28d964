"""ONNX files that are damaged, reach outside their folder or are no text classifier."""

import json

import numpy as np
import onnx
import pytest
import tiny_graph
from foreign_onnx import change, path_graph, read, save_folder
from onnx import TensorProto, helper, numpy_helper

from clampdown_calib.graphs.onnx_classifier import OnnxClassifier
from clampdown_calib.models.model_folder import open_model
from clampdown_runtime import ModelError


@pytest.fixture
def folder(tmp_path):
    return save_folder(tmp_path / "model")


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
    before = OnnxClassifier(read(folder)).activations(tiny_graph.batch(2, 4))
    digest = open_model(folder).digest()
    external(folder, "weights.bin")
    graph = read(folder)
    with_external = open_model(folder).digest()
    data = bytearray((folder / "weights.bin").read_bytes())
    (folder / "weights.bin").write_bytes(data[:-1] + b"x")
    # The weights are part of the model's identity wherever they lie, and are in memory by now.
    assert len({digest, with_external, open_model(folder).digest()}) == 3
    after = OnnxClassifier(graph).activations(tiny_graph.batch(2, 4))
    np.testing.assert_array_equal(before.logits, after.logits)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_external_data(folder, share):
    external(folder, "weights.bin")
    data = (folder / "weights.bin").read_bytes()
    (folder / "weights.bin").write_bytes(data[: int(len(data) * share)])
    refused(folder, "not a whole ONNX model")


@pytest.mark.parametrize(("key", "value"), [("offset", "2"), ("offset", "x"), ("length", "-1")])
def test_external_data_of_other_places_than_its_file_has(folder, key, value):
    external(folder, "weights.bin")
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    tensor = next(t for t in model.graph.initializer if t.name == "embedding")
    tensor.external_data.add(key=key, value=value)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    refused(folder, "not a whole ONNX model")


def test_external_data_behind_a_link_to_itself(folder):
    (folder / "loop").symlink_to("loop")
    external(folder, "loop")
    with pytest.raises(ModelError, match="loop: found a file that cannot be read"):
        open_model(folder)


@pytest.mark.parametrize("place", ["../secret", "/etc/passwd", "sub/../../secret", "zero\0byte"])
def test_external_data_outside_the_folder(folder, place):
    (folder.parent / "secret").write_bytes(b"0" * 10_000)
    external(folder, place)
    refused(folder, "outside its folder")
    open_model(folder).digest()


def test_external_data_behind_a_link_out_of_the_folder(folder):
    (folder.parent / "secret").write_bytes(b"0" * 10_000)
    (folder / "link").symlink_to(folder.parent / "secret")
    external(folder, "link")
    with pytest.raises(ModelError, match="link: found a link that leaves"):
        open_model(folder)


@pytest.mark.parametrize("operator", ["If", "Loop", "Scan"])
def test_control_flow(folder, operator):
    model = onnx.load(folder / "model.onnx")
    model.graph.node.add(op_type=operator)
    onnx.save(model, folder / "model.onnx")
    refused(folder, rf"control flow \({operator}\)")


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


def test_operators_of_onnx_runtime_are_named_with_what_to_do(folder):
    def fuse(model):
        for operator in ("SkipLayerNormalization", "Attention", "Attention"):
            model.graph.node.add(op_type=operator, domain="com.microsoft")

    change(folder, fuse=fuse)
    refused(
        folder,
        r"com.microsoft \(Attention, SkipLayerNormalization\); expected standard ONNX operators "
        "only. Pass the file from before ONNX Runtime optimised it",
    )


def test_weights_that_no_file_has_are_refused_before_any_is_read(folder):
    external(folder, "weights.bin")
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    tensor = next(t for t in model.graph.initializer if t.name == "embedding")
    tensor.dims[:] = [2**28 + 2**20, 2]
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    refused(folder, "2.0 GB of weights in files of 0.0 GB; expected a place of its own for every")


def test_a_file_that_is_too_large_itself(folder):
    with (folder / "model.onnx").open("ab") as file:
        file.truncate(2**31)
    refused(folder, "a file of 2.0 GB; expected at most 2.0 GB, which ONNX files can have")


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
        (rename("input_ids", "pixels"), r"\['pixels', 'attention_mask'\], without input_ids"),
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
