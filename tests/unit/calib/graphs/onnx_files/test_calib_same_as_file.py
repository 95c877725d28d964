"""A graph that was read gives what its file gives, or is refused."""

import numpy as np
import onnx_ir as ir
import pytest
from foreign_onnx import path_graph, read, save_folder
from onnx import save
from tiny_transformers import save_tokenizer

from clampdown_calib.graphs.onnx_classifier import OnnxClassifier
from clampdown_calib.graphs.onnx_files.same_as_file import require_same_as_file
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_runtime import ModelError


@pytest.fixture
def folder(tmp_path):
    folder = save_folder(tmp_path / "model")
    save_tokenizer(folder)
    return folder


def compared(folder, change=lambda graph: None, graph=None, stored="fp32"):
    graph = graph or read(folder)
    change(graph.model.graph)
    require_same_as_file(
        OnnxClassifier(graph),
        folder / "model.onnx",
        graph.inputs,
        graph.output,
        stored=stored,
        tokenization=load_tokenization(open_model(folder)),
    )


@pytest.mark.parametrize("opset", [13, 20])
def test_a_graph_that_was_read_rightly_passes(folder, opset):
    save(path_graph(opset), folder / "model.onnx")
    compared(folder)


def test_a_graph_that_a_conversion_changed_is_refused(folder):
    def change(graph):
        head = graph.initializers["head"]
        head.const_value = ir.tensor(head.const_value.numpy() * np.float32(1.01))

    with pytest.raises(ModelError, match=r"logits that differ by .* once it is converted"):
        compared(folder, change)


@pytest.mark.parametrize(("stored", "factor"), [("fp16", 1.2), ("int8", 1.5)])
def test_what_rounds_more_is_compared_more_loosely_and_not_at_all_loosely(folder, stored, factor):
    def change(by):
        def head(graph):
            weights = graph.initializers["head"]
            weights.const_value = ir.tensor(weights.const_value.numpy() * np.float32(by))

        return head

    compared(folder, change(1.002), stored=stored)
    with pytest.raises(ModelError, match="logits that differ by"):
        compared(folder, change(factor), stored=stored)


def test_a_file_that_onnx_runtime_does_not_load_is_refused(folder):
    graph = read(folder)
    (folder / "model.onnx").write_bytes(b"\x08")
    with pytest.raises(ModelError, match=r"ONNX Runtime cannot load.*Export the model again"):
        compared(folder, graph=graph)
