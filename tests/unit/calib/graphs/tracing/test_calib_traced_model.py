"""A graph's digest is that of what it computes."""

import numpy as np
import onnx_ir as ir
import pytest
import tiny_graph

from clampdown_calib import FitOptions
from clampdown_calib.graphs.tracing import traced_model
from clampdown_calib.graphs.tracing.trace import trace
from clampdown_calib.graphs.tracing.traced_model import TracedModel, trace_model
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_runtime import ExportError


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


def test_a_trace_that_is_not_the_models_is_refused(bert_folder, monkeypatch):
    """Such as one that follows a branch that other rows do not take."""
    folder = open_model(bert_folder)
    tokenization, options = load_tokenization(folder), FitOptions()
    trace_model(folder, tokenization, options)

    def wrong(classifier):
        graph = trace(classifier)
        name = "model.classifier.weight"
        value = graph.graph.initializers[name]
        value.const_value = ir.tensor(value.const_value.numpy() * np.float32(1.01), name=name)
        return graph

    monkeypatch.setattr(traced_model, "trace", wrong)
    with pytest.raises(ExportError, match="that differ from the model's by"):
        trace_model(folder, tokenization, options)
