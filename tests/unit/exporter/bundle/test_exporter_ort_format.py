"""ONNX Runtime's format: the same answers, threshold included, and the operators of a build."""

import json

import numpy as np
import onnxruntime
import pytest
import tiny_graph
import tiny_transformers
from onnxruntime.tools.reduced_build_config_parser import parse_config

from clampdown_calib import calibrate
from clampdown_exporter import export, move_threshold
from clampdown_exporter.bundle.ort_format import write_ort_format
from clampdown_runtime import ExportError, open_bundle

FILES = {"onnx/model.onnx", "onnx/model.ort", "onnx/model.required_operators.config"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    place = tmp_path_factory.mktemp("ort")
    layers = tiny_graph.save_onnx_model(place / "model")
    rows = [json.dumps({"text": text}) for text in tiny_transformers.texts(120)]
    (place / "clean.jsonl").write_text("\n".join(rows))
    calibrate(place / "model", place / "clean.jsonl", place / "calibration", layers=layers)
    return export(
        place / "model", place / "calibration", place / "bundle", file_format="ort"
    ).bundle


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def answers(path, **given):
    [ids] = tiny_graph.encoded_rows(1).ids
    rows = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, len(ids)), np.int64)}
    return session(path).run(None, {**rows, **given})


def test_bundle_lists_both_files(bundle):
    files = open_bundle(bundle).manifest.files
    assert {name for name in files if name.startswith("onnx/")} == FILES


@pytest.mark.parametrize("threshold", [None, -np.inf, np.inf])
def test_answers_are_the_graphs(bundle, threshold):
    given = {} if threshold is None else {"threshold": np.array([threshold], np.float32)}
    found, expected = (
        answers(bundle / "onnx" / name, **given) for name in ("model.ort", "model.onnx")
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)
    if threshold is not None:
        assert found[2].all() == (threshold < 0)


def test_moved_threshold_moves_in_both(bundle):
    for value in (-1e6, 1e6):
        move_threshold(bundle, value=value)
        for name in ("model.ort", "model.onnx"):
            assert answers(bundle / "onnx" / name)[2].all() == (value < 0), name


def test_configuration_holds_the_operators_of_a_build(bundle):
    """Read by the tool that makes the builds."""
    path = bundle / "onnx" / "model.required_operators.config"
    operators, types = parse_config(str(path), enable_type_reduction=False)
    assert types is None
    found = {
        name for versions in operators.values() for names in versions.values() for name in names
    }
    # Of the defence and of the network.
    assert {"LessOrEqual", "ReduceLogSumExp", "MatMul", "Gather"} <= found
    # Where the bundle was made is nobody's business.
    assert "#" not in path.read_text() and "/" not in path.read_text()


def test_graph_that_is_none_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"nothing")
    with pytest.raises(ExportError, match="without --format ort"):
        write_ort_format(path)
    assert list(tmp_path.iterdir()) == [path]
