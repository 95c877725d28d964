"""Every way in which a graph can depart from docs/bundle.md is reported, and a right one is not."""

import dataclasses

import numpy as np
import onnx_ir as ir
import pytest
import tiny_graph
from defended_graphs import defended

from clampdown_exporter.bundle.graph_facts import graph_facts
from clampdown_exporter.bundle.writer import set_threshold, write_graph
from clampdown_exporter.verification.contract import contract_differences
from clampdown_runtime import Manifest, ModelIdentity, Padding

DETECTOR = {"badacts": {"detector": "nas"}, "probe": {"detector": "excess"}}


def manifest(**changes):
    return Manifest(
        **{
            "clampdown_version": "0.1.0",
            "mode": "detect-then-purify",
            "precision": "fp32",
            "model": ModelIdentity("tiny", "bert", "sha256:" + "0" * 64),
            "labels": ("a", "b", "c"),
            "inputs": ("input_ids", "attention_mask"),
            "max_length": 16,
            "padding": Padding("right", 0, 0),
            "layers": ("one", "two"),
            "representation": "first",
            "detector": "nas",
            "threshold": 0.1,
            "frr": 0.1,
            "frr_measured": 0.09,
            "calibration_digest": "sha256:" + "1" * 64,
            "versions": {},
            "files": {},
            **changes,
        }
    )


def written(folder, way):
    """As it is read back from the bundle."""
    graph, _ = defended("detect-then-purify", way, threshold=0.1)
    write_graph(folder, graph, manifest(**DETECTOR[way]))
    return ir.load(folder / "onnx" / "model.onnx")


@pytest.fixture
def model(tmp_path):
    """One that clips, whose loop can hide nodes."""
    return written(tmp_path, "badacts")


def differences(model, **changes):
    return list(contract_differences(model, manifest(**changes)))


def test_written_graph_keeps_the_contract(model):
    assert differences(model) == []
    # 0.1 is no float32; the graph holds the nearest.
    assert model.graph.initializers["threshold"].const_value.numpy() == np.float32(0.1)
    assert model.metadata_props == graph_facts(manifest())
    assert (model.producer_name, model.producer_version) == ("clampdown", "0.1.0")


def test_written_graph_that_reads_the_earlier_layers_keeps_the_contract(tmp_path):
    assert differences(written(tmp_path, "probe"), **DETECTOR["probe"]) == []


def test_output_that_is_none_of_the_contract_or_of_the_mode_is_reported(tmp_path):
    model = written(tmp_path, "probe")
    [found] = differences(model, mode="detect", detector="excess")[:1]
    assert "the outputs (name, type, rank) are" in found and "undefended_logits" in found
    model.graph.outputs[3].name = "more"
    [found] = differences(model, detector="excess")
    assert "('more'," in found


def swap(values):
    values[0], values[1] = values[1], values[0]


def rename(model):
    model.graph.outputs[1].name = "score"


def forget_rows(model):
    model.graph.outputs[2].shape = ir.Shape(["rows"])


def scalar(model):
    model.graph.outputs[1].shape = ir.Shape([])


def half(model):
    model.graph.outputs[0].dtype = ir.DataType.FLOAT16


def newer(model):
    model.graph.opset_imports[""] = 21


def custom(model):
    node = ir.Node("org.example", "Evil", [model.graph.outputs[0]])
    [loop] = [n for n in model.graph if n.op_type == "Loop"]
    loop.attributes["body"].as_graph().append(node)


def imported(model):
    model.graph.opset_imports["com.microsoft"] = 1


def other_threshold(model):
    model.graph.initializers["threshold"].const_value = ir.tensor(np.float32([0.2]))


def wide_threshold(model):
    model.graph.initializers["threshold"].const_value = ir.tensor(np.float32([0.1, 0.1]))


def without_threshold(model):
    del model.graph.initializers["threshold"]


def leak(model):
    model.metadata_props["clampdown.surprise"] = "x"


def forget_digest(model):
    del model.metadata_props["clampdown.calibration_digest"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda model: swap(model.graph.inputs), "the inputs are ('attention_mask', 'input_ids'"),
        (lambda model: model.graph.inputs.pop(), "the inputs are ('input_ids', 'attention_mask')"),
        (lambda model: model.graph.inputs.clear(), "the inputs are ()"),
        (rename, "the outputs (name, type, rank) are"),
        (lambda model: swap(model.graph.outputs), "the outputs (name, type, rank) are"),
        (lambda model: model.graph.outputs.pop(), "the outputs (name, type, rank) are"),
        (lambda model: model.graph.outputs.clear(), "the outputs (name, type, rank) are []"),
        (scalar, "the outputs (name, type, rank) are"),
        (half, "the outputs (name, type, rank) are"),
        (forget_rows, "the outputs' first dimension is not the inputs': ['batch', 'rows']"),
        (newer, "operator sets {'': 21} are too new"),
        (lambda model: setattr(model, "ir_version", 11), "IR version 11"),
        (custom, "operators of the domains ['org.example']"),
        (imported, "operators of the domains ['com.microsoft']"),
        (other_threshold, "the threshold is [0.2], not [0.1"),
        (wide_threshold, "the threshold is [0.1 0.1], not [0.1"),
        (without_threshold, "the threshold is None, not [0.1"),
        (leak, "metadata clampdown.surprise is 'x', not None"),
        (forget_digest, "metadata clampdown.calibration_digest is None, not 'sha256:1"),
    ],
)
def test_departure_is_reported(model, change, sentence):
    change(model)
    assert any(sentence in found for found in differences(model)), differences(model)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"labels": ("a", "b")}, "the logits are of 3 classes, the manifest has 2"),
        ({"threshold": 0.3}, "the threshold is [0.1], not [0.3"),
        ({"mode": "detect"}, "metadata clampdown.mode is 'detect-then-purify', not 'detect'"),
        ({"detector": "fusion"}, "metadata clampdown.detector is 'nas', not 'fusion'"),
        ({"layers": ("one",)}, """metadata clampdown.layers is '["one", "two"]', not '["one"]'"""),
        ({"frr": None}, "metadata clampdown.frr is '0.1', not 'null'"),
    ],
)
def test_manifest_of_another_graph_is_reported(model, changes, sentence):
    assert any(sentence in found for found in differences(model, **changes))


@pytest.mark.parametrize(
    ("way", "mode", "detector"),
    [("badacts", "purify", "nas"), ("badacts", "detect-then-purify", "excess")],
)
def test_loop_that_is_not_the_defences_own_is_reported(tmp_path, way, mode, detector):
    found = differences(written(tmp_path, way), mode=mode, detector=detector)
    assert "control flow (Loop), which the defence has none of" in found


def test_functions_are_reported(model):
    body = ir.Graph([], [], nodes=[])
    model.functions[("org.example", "Evil", "")] = ir.Function(
        "org.example", "Evil", graph=body, attributes=[]
    )
    assert "functions of its own, which could be anything" in differences(model)


def test_moved_threshold_is_the_graphs_own(model, tmp_path):
    moved = dataclasses.replace(manifest(), threshold=1e9, frr=None)
    set_threshold(model, moved.threshold)
    write_graph(tmp_path, model, moved)
    again = ir.load(tmp_path / "onnx" / "model.onnx")
    assert list(contract_differences(again, moved)) == []
    assert not tiny_graph.session(again).run(["flagged"], tiny_graph.batch(9, 4))[0].any()


def test_fused_operators_belong_to_graphs_for_cuda(tmp_path):
    model = written(tmp_path, "probe")
    node = next(n for n in model.graph if n.op_type == "Relu")
    node.domain = "com.microsoft"
    model.graph.opset_imports["com.microsoft"] = 1
    assert differences(model, **DETECTOR["probe"]) == ["operators of the domains ['com.microsoft']"]
    facts = {"clampdown.precision": "cuda-fp32"}
    model.metadata_props.update(facts)
    cuda = {**DETECTOR["probe"], "precision": "cuda-fp32"}
    assert differences(model, **cuda) == []
    node.domain = "com.example"
    assert differences(model, **cuda) == ["operators of the domains ['com.example']"]
