"""A graph's digest is that of what it computes."""

import numpy as np
import onnx_ir as ir
import tiny_graph

from clampdown_calib.graphs.tracing.traced_model import TracedModel


def digest(change=lambda model: None):
    model = tiny_graph.marked_graph()
    change(model)
    names = ("one", "two")
    inputs = tiny_graph.TOKENIZATION.inputs
    return TracedModel(model, inputs, names, "first", None, None).digest()


def test_digest_is_that_of_the_nodes_and_the_weights():
    def other_weight(model):
        value = model.graph.initializers["head"]
        value.const_value = ir.tensor(value.const_value.numpy() + np.float32(1e-3))

    def other_type(model):
        value = model.graph.initializers["head"]
        value.const_value = ir.tensor(value.const_value.numpy().astype(np.float64))

    def other_node(model):
        relu = next(node for node in model.graph if node.op_type == "Relu")
        relu.op_type = "Abs"

    def other_attribute(model):
        cast = next(node for node in model.graph if node.op_type == "Cast")
        cast.attributes["to"] = ir.AttrInt64("to", ir.DataType.DOUBLE)

    digests = {digest(), *map(digest, (other_weight, other_type, other_node, other_attribute))}
    assert digest() == digest()
    assert len(digests) == 5
    assert all(one.startswith("sha256:") and len(one) == 71 for one in digests)
