"""A row whose layers or logits are not finite is flagged, in either of two ways."""

import numpy as np
import onnx_ir as ir
import pytest
import tiny_graph
from defended_graphs import MODES, WAYS, defended

from clampdown_exporter.verification.overflow import overflowing

HIGH = 1e9
"""A threshold that no score exceeds."""


def flagged(model):
    inputs = tiny_graph.batch(20, 6, seed=1)
    # Behind an embedding that is not a number, whose rows are flagged anyway.
    inputs["input_ids"] = inputs["input_ids"] % 8
    return tiny_graph.session(model).run(["flagged"], inputs)[0]


def replace(model, op_type, make):
    """Let another node take the place of the only one of that type that computes the verdict."""
    [node] = [n for n in model.graph if n.op_type == op_type and "statistic" in n.name]
    new = make(node)
    for position, one in enumerate(new):
        one.name = f"test/{op_type}/{position}"
        one.outputs[0].name = f"{one.name}:0"
        one.metadata_props.update(node.metadata_props)
    model.graph.insert_after(node, new)
    ir.convenience.replace_all_uses_with(node.outputs[0], new[-1].outputs[0])


def true_of_nan(node):
    """``not (score > threshold)``: what a provider computes that reverses comparisons."""
    greater = ir.node("Greater", node.inputs)
    return [greater, ir.node("Not", [greater.outputs[0]])]


def always(node):
    """A comparison that holds whatever it is given."""
    same = ir.node("Equal", [node.inputs[1], node.inputs[1]])
    return [same]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_every_row_is_flagged_where_a_layer_or_the_logits_overflow(mode, way):
    model, _ = defended(mode, way, threshold=HIGH)
    assert not flagged(model).any()
    broken = dict(overflowing(model, "fp32"))
    assert list(broken) == ["a layer", "the logits"]
    for graph in broken.values():
        assert flagged(graph).all()
    assert not flagged(model).any()


@pytest.mark.parametrize("what", ["a layer", "the logits"])
@pytest.mark.parametrize(("op_type", "make"), [("LessOrEqual", true_of_nan), ("Less", always)])
def test_either_way_alone_finds_them(what, op_type, make):
    model, _ = defended("detect-then-purify", "probe", threshold=HIGH)
    replace(model, op_type, make)
    assert not flagged(model).any()
    assert flagged(dict(overflowing(model, "fp32"))[what]).all()


def test_without_both_they_would_pass():
    model, _ = defended("detect-then-purify", "probe", threshold=HIGH)
    replace(model, "LessOrEqual", true_of_nan)
    replace(model, "Less", always)
    assert not flagged(dict(overflowing(model, "fp32"))["the logits"]).any()


def test_sums_of_ordinary_layers_are_far_from_the_limit():
    model, _ = defended("detect", "probe", threshold=HIGH)
    [node] = [n for n in model.graph if n.op_type == "Less"]
    size = node.inputs[0]
    size.dtype, size.shape = ir.DataType.FLOAT, ir.Shape(["batch"])
    model.graph.outputs.append(size)
    inputs = tiny_graph.batch(20, 6, seed=1)
    inputs["input_ids"] = inputs["input_ids"] % 8
    found = tiny_graph.session(model).run([size.name], inputs)[0]
    assert np.isfinite(found).all() and (found < 1e6).all()
