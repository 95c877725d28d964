"""A bundle's graph is the undefended one plus what was inserted, and anything else is seen."""

import graph_backdoors
import onnx
import onnx_ir as ir
import pytest
import tiny_graph
import tiny_transformers
import torch
from defended_graphs import MODES, PLAIN, defended, operators
from onnx import helper, numpy_helper

from clampdown_calib.graphs.hidden_shapes import HideShapes
from clampdown_calib.graphs.tracing.trace import trace
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_exporter import compare
from clampdown_runtime import BundleError, ModelError


@pytest.fixture
def undefended(tmp_path):
    """The graph made by hand as somebody else's export."""
    tiny_graph.save_onnx_model(tmp_path / "model")
    return tmp_path / "model" / "model.onnx"


@pytest.fixture
def sealed(bundle_path, seal):
    """Puts a graph into a bundle."""

    def put(model):
        ir.save(model, bundle_path / "onnx" / "model.onnx")
        seal(bundle_path)
        return bundle_path

    return put


def change(path, of):
    model = onnx.load(path)
    of(model.graph)
    onnx.save(model, path)


def initializer(graph, name):
    return next(tensor for tensor in graph.initializer if tensor.name == name)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_the_original_and_more(undefended, sealed, mode):
    model, _ = defended(mode, "probe")
    HideShapes()(model)
    found = compare(undefended, sealed(model))
    assert found.whole
    assert (found.missing, found.missing_weights) == ((), ())
    assert (found.nodes, found.weights) == (len(PLAIN), 6)
    assert found.nodes + len(found.added) == len(operators(model))
    assert found.weights + len(found.added_weights) == len(model.graph.initializers)
    assert all(node.name.startswith("clampdown/") for node in found.added)
    assert found.added_inputs == ("threshold",)
    assert found.logits == ("logits" if mode == "detect" else "undefended_logits")
    assert not found.simplified


def test_names_do_not_matter(undefended, sealed):
    def rename(graph):
        for node in graph.node:
            node.name += "x"
            node.input[:] = [n if n.endswith(("ids", "mask")) else n + "x" for n in node.input]
            node.output[:] = [n if n == "logits" else n + "x" for n in node.output]
        for tensor in graph.initializer:
            tensor.name += "x"
        del graph.value_info[:]

    change(undefended, rename)
    assert compare(undefended, sealed(defended("purify", "probe")[0])).whole


def test_a_changed_weight_is_missing_with_all_that_follows_from_it(undefended, sealed):
    def other(graph):
        tensor = initializer(graph, "mix")
        array = numpy_helper.to_array(tensor).copy()
        array[0, 0] += 1e-6
        tensor.CopyFrom(numpy_helper.from_array(array, "mix"))

    change(undefended, other)
    found = compare(undefended, sealed(defended("detect", "probe")[0]))
    assert not found.whole
    assert found.logits is None
    assert found.missing_weights == ("mix",)
    assert [(node.operator, node.first) for node in found.missing] == [
        ("MatMul", True),
        ("Gather", False),
        ("MatMul", False),
    ]


def test_a_changed_attribute_and_a_left_out_node_are_seen(undefended, sealed):
    model, _ = defended("detect", "probe")
    bundle = sealed(model)

    def turn(graph):
        node = next(n for n in graph.node if n.op_type == "Gather" and n.attribute)
        node.attribute[0].i = 0

    change(undefended, turn)
    found = compare(undefended, bundle)
    assert [(n.operator, n.first) for n in found.missing] == [("Gather", True), ("MatMul", False)]


def test_nodes_that_a_bundle_has_beyond_the_defence_are_listed(undefended, sealed):
    """Under names of the defence."""
    model, _ = defended("detect", "probe")
    proto = ir.to_proto(model)
    for node in proto.graph.node:
        node.output[:] = ["kept" if name == "logits" else name for name in node.output]
    proto.graph.node.append(helper.make_node("Neg", ["kept"], ["logits"], "clampdown/answer/9"))
    found = compare(undefended, sealed(ir.from_proto(proto)))
    assert found.whole
    assert ("Neg", "clampdown/answer/9") in [(n.operator, n.name) for n in found.added]
    assert found.logits == "kept"


def test_the_published_method_is_not_the_original_and_more(undefended, sealed):
    """Its network reads clipped layers, inside a loop."""
    found = compare(undefended, sealed(defended("detect-then-purify", "badacts")[0]))
    assert not found.whole
    assert found.logits is None
    assert found.missing
    assert "Loop" in {node.operator for node in found.added}


def test_branches_are_compared_too(sealed, tmp_path):
    clean = onnx.load(
        graph_backdoors.export(
            tiny_transformers.transformer(vocab_size=graph_backdoors.VOCABULARY),
            tmp_path / "clean.onnx",
            ("input_ids", "attention_mask", "token_type_ids"),
        )
    )
    model = graph_backdoors.insert(clean, "all in a branch")
    onnx.save(model, tmp_path / "model.onnx")
    bundle = sealed(ir.from_proto(model))
    assert compare(tmp_path / "model.onnx", bundle).whole
    for node in model.graph.node:
        if node.op_type == "If":
            node.attribute[1].g.node[-1].op_type = "Sub"
    onnx.save(model, tmp_path / "model.onnx")
    found = compare(tmp_path / "model.onnx", bundle)
    assert not found.whole
    assert {n.operator for n in found.missing} >= {"If"}


@pytest.mark.filterwarnings("ignore")
def test_a_plain_export_by_torch_is_what_the_defence_traces(sealed, tmp_path):
    """So is how the user of a checkpoint gets the undefended graph."""
    model = tiny_transformers.transformer("roberta", num_hidden_layers=1)
    names = ["input_ids", "attention_mask"]
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    torch.onnx.export(
        model,
        kwargs={name: torch.ones((2, 8), dtype=torch.int64) for name in names},
        f=str(tmp_path / "undefended.onnx"),
        input_names=names,
        output_names=["logits"],
        dynamic_shapes=dict.fromkeys(names, sizes),
        opset_version=20,
        dynamo=True,
        verbose=False,
    )
    found = compare(tmp_path / "undefended.onnx", sealed(trace(TorchClassifier(model, names))))
    assert found.whole
    assert found.simplified
    assert found.added == ()


def scores(graph):
    graph.output[0].name = graph.node[-1].output[0] = "scores"


def test_an_original_with_other_names_and_types_of_inputs_and_logits(undefended, sealed):
    bundle = sealed(defended("detect", "probe")[0])
    change(undefended, scores)
    assert compare(undefended, bundle).whole


def test_an_original_without_logits_is_refused(undefended, pristine):
    def twice(graph):
        scores(graph)
        graph.node.add(op_type="Identity", input=["scores"], output=["again"])
        graph.output.add().CopyFrom(graph.output[0])
        graph.output[1].name = "again"

    change(undefended, twice)
    with pytest.raises(ModelError, match=r"scores FLOAT.*again FLOAT.*an output `logits`"):
        compare(undefended, pristine)


def test_a_damaged_original_and_a_changed_bundle_are_refused(undefended, bundle_path):
    with pytest.raises(ModelError, match="not a whole ONNX model"):
        compare(bundle_path / "tokenizer.json", bundle_path)
    (bundle_path / "onnx" / "model.onnx").write_bytes(b"")
    with pytest.raises(BundleError, match="different"):
        compare(undefended, bundle_path)


def test_a_bundle_whose_graph_is_damaged_is_refused(undefended, bundle_path, seal):
    (bundle_path / "onnx" / "model.onnx").write_bytes(b"\x08")
    seal(bundle_path)
    with pytest.raises(BundleError, match="no valid ONNX graph"):
        compare(undefended, bundle_path)


def test_equal_nodes_count_as_often_as_they_are_there(undefended, sealed):
    def twice(graph):
        column = next(node for node in graph.node if node.op_type == "Unsqueeze")
        again = onnx.NodeProto()
        again.CopyFrom(column)
        again.output[0] = "again"
        graph.node.insert(list(graph.node).index(column) + 1, again)
        multiply = [node for node in graph.node if node.op_type == "Mul"][-1]
        multiply.input[1] = "again"

    change(undefended, twice)
    found = compare(undefended, sealed(defended("detect", "badacts")[0]))
    assert [(node.operator, node.first) for node in found.missing] == [("Unsqueeze", True)]
    assert found.nodes == len(PLAIN)
    assert found.logits == "logits"
    assert not found.whole
