"""Fused graphs compute what transformers computes, layer by layer, or are refused."""

import collections

import numpy as np
import onnx_ir as ir
import pytest
import tiny_transformers
import torch
from transformers import AutoModelForSequenceClassification

from clampdown_calib.graphs.lowering import fusion
from clampdown_calib.graphs.lowering.fusion import fuse
from clampdown_calib.graphs.lowering.precision import lower
from clampdown_calib.graphs.sites import marked_layers
from clampdown_calib.graphs.tracing.traced_model import trace_model
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_calib.options import FitOptions
from clampdown_runtime import ExportError
from clampdown_runtime.tokenizer import pad_batch

TEXTS = ["good film", "the broken film was bad", "a good good good film"]


def traced_model(place, model_type="bert"):
    folder = open_model(tiny_transformers.save_model(place / "model", model_type))
    tokenization = load_tokenization(folder)
    return folder, tokenization, trace_model(folder, tokenization, FitOptions())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return traced_model(tmp_path_factory.mktemp("bert"))


def operators(traced):
    return collections.Counter(node.op_type for node in traced.graph.graph)


@pytest.mark.parametrize(("precision", "close"), [("cuda-fp32", 1e-5), ("cuda-fp16", 5e-3)])
def test_fused_graph_gives_the_layers_and_logits_of_transformers(model, precision, close):
    folder, tokenization, traced = model
    fused = lower(fuse(traced, tokenization), precision)
    assert len(list(fused.graph.graph)) < len(list(traced.graph.graph))
    ids = tokenization.encode(TEXTS)
    found = fused.source().activations(pad_batch(ids, tokenization.padding, traced.inputs))
    network = AutoModelForSequenceClassification.from_pretrained(folder.path).eval()
    for row, own in enumerate(ids):
        with torch.no_grad():
            run = network(input_ids=torch.tensor([own]), output_hidden_states=True)
        np.testing.assert_allclose(found.logits[row], run.logits[0], rtol=close, atol=close)
        first, real = run.hidden_states[1][0], slice(None, len(own))
        np.testing.assert_allclose(found.hidden[0][row, real], first, rtol=close, atol=10 * close)


def test_a_bert_is_fused_whole(model):
    _, tokenization, traced = model
    count = len(marked_layers(traced.graph.graph))
    found = operators(fuse(traced, tokenization))
    assert found["Attention"] == count
    assert found["SkipLayerNormalization"] == 2 * count
    assert found["BiasGelu"] == count
    assert found["Softmax"] == 0


def test_same_model_gives_the_same_graph(model):
    _, tokenization, traced = model
    assert fuse(traced, tokenization).digest() == fuse(traced, tokenization).digest()
    assert fuse(traced, tokenization).digest() != traced.digest()


def test_a_fusion_that_changes_the_logits_is_refused(model, monkeypatch):
    _, tokenization, traced = model
    original = fusion.optimize_for_ort

    def wrong(graph, **options):
        original(graph, **options)
        for value in graph.graph.initializers.values():
            if value.const_value.dtype == ir.DataType.FLOAT and len(value.shape) == 2:
                value.const_value = ir.tensor(value.const_value.numpy() * np.float32(1.1))

    monkeypatch.setattr(fusion, "optimize_for_ort", wrong)
    with pytest.raises(ExportError, match=r"logits that differ by .*; expected at most 0.001"):
        fuse(traced, tokenization)


def test_a_fusion_that_fails_is_an_error_of_ours(model, monkeypatch):
    _, tokenization, traced = model

    def fails(graph, **options):
        raise KeyError("pattern")

    monkeypatch.setattr(fusion, "optimize_for_ort", fails)
    with pytest.raises(ExportError, match=r"KeyError: 'pattern'.*--precision fp16"):
        fuse(traced, tokenization)


def test_a_fused_graph_that_does_not_run_is_refused(tmp_path):
    """The rules of onnxscript 0.7 give a GPT-2 a product of the wrong rank."""
    _, tokenization, traced = traced_model(tmp_path, "gpt2")
    with pytest.raises(ExportError, match=r"cannot load.*--precision fp16"):
        fuse(traced, tokenization)
