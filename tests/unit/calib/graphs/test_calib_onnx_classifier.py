"""The classifier that runs an ONNX file and reads its layers."""

import dataclasses

import numpy as np
import pytest
import tiny_graph
from foreign_onnx import BLOCKS, read, save_folder

from clampdown_calib.graphs.onnx_classifier import OnnxClassifier
from clampdown_runtime import ModelError, UnsupportedArchitectureError


@pytest.fixture
def folder(tmp_path):
    return save_folder(tmp_path / "model")


def test_classifier_gives_the_layers_and_leaves_the_graph_as_it_was(folder):
    graph = read(folder)
    classifier = OnnxClassifier(graph)
    assert [value.name for value in graph.model.graph.outputs] == ["logits"]
    assert classifier.layer_names == BLOCKS
    run = classifier.activations(tiny_graph.batch(3, 5))
    w = tiny_graph.weights()
    mask = tiny_graph.batch(3, 5)["attention_mask"][:, :, None]
    h0 = np.maximum(w["embedding"][tiny_graph.batch(3, 5)["input_ids"]] * mask, 0) @ w["mix"]
    np.testing.assert_allclose(run.hidden[0], h0, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run.hidden[1], np.maximum(h0, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        run.logits, np.maximum(h0, 0)[:, 0] @ w["head"], rtol=1e-5, atol=1e-5
    )


def test_token_id_outside_the_vocabulary(folder):
    inputs = tiny_graph.batch(1, 3)
    inputs["input_ids"][0, 0] = 10_000
    with pytest.raises(ModelError, match="a failed run of 1 rows with 3 tokens"):
        OnnxClassifier(read(folder)).activations(inputs)


def test_layers_of_different_shapes(folder):
    graph = read(folder)
    tensors = {v.name: v for node in graph.model.graph for v in node.outputs}
    odd = dataclasses.replace(graph, layers=(graph.layers[0], tensors["cls"]))
    with pytest.raises(UnsupportedArchitectureError, match=r"expected \[batch, sequence, width\]"):
        OnnxClassifier(odd).activations(tiny_graph.batch(2, 3))
