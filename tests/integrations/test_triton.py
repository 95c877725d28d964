"""Triton's repository, read by Triton's own parser, and the golden rows over its protocol."""

import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import tiny_bundle
import yaml
from click.testing import CliRunner
from inference_protocol import served
from served_model import ServedModel, read_config
from tritonclient.grpc import model_config_pb2

from clampdown.cli.main import main
from clampdown.integrations.triton import write_triton
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.digests import file_digest


def integrate(*arguments):
    return CliRunner().invoke(main, ["integrate", *map(str, arguments)])


def shapes(tensors):
    return {one.name: (list(one.dims), one.HasField("reshape")) for one in tensors}


def in_int8(bundle, seal):
    graph = bundle / "onnx"
    shutil.move(graph / "model.onnx", graph / "model_quantized.onnx")
    seal(bundle, precision="int8")
    return bundle


def test_requests_of_one_length_are_put_together(pristine, tmp_path):
    done = integrate(
        *("triton", pristine, "--out", tmp_path / "models", "--instances", "2", "--device", "gpu")
    )
    assert (done.exit_code, done.stderr) == (0, "")
    model = tmp_path / "models" / "classifier"
    assert done.stdout == f"wrote {model}\n"
    config = read_config(model)
    assert (config.name, config.platform) == ("classifier", "onnxruntime_onnx")
    assert config.max_batch_size == 64
    assert config.HasField("dynamic_batching")
    ids = ("input_ids", "attention_mask", "token_type_ids")
    # Triton refuses an optional input beside a batch.
    assert shapes(config.input) == dict.fromkeys(ids, ([-1], False))
    assert {one.data_type for one in config.input} == {model_config_pb2.TYPE_INT64}
    assert shapes(config.output) == {
        "logits": ([2], False),
        "anomaly_score": ([1], True),
        "flagged": ([1], True),
    }
    assert [one.data_type for one in config.output] == [
        *(model_config_pb2.TYPE_FP32, model_config_pb2.TYPE_FP32, model_config_pb2.TYPE_BOOL)
    ]
    # Reshaped to nothing, not left as they are.
    assert [list(one.reshape.shape) for one in config.output[1:]] == [[], []]
    [group] = config.instance_group
    assert (group.kind, group.count) == (model_config_pb2.ModelInstanceGroup.KIND_GPU, 2)
    digest = config.parameters["clampdown.digest"].string_value
    assert digest == file_digest(pristine / "clampdown.json")
    graphs = (model / "1" / "model.onnx", pristine / "onnx" / "model.onnx")
    assert len({graph.read_bytes() for graph in graphs}) == 1
    assert (model / "labels.txt").read_text() == "negative\npositive\n"


@pytest.mark.parametrize(("batch", "shape"), [(64, [2]), (0, [-1, 2])])
def test_the_models_own_logits_are_an_output_where_the_graph_gives_them(
    answering, tmp_path, batch, shape
):
    [model] = write_triton(answering, tmp_path / "models", max_batch_size=batch)
    assert shapes(read_config(model).output)["undefended_logits"] == (shape, False)
    ids = np.array([[2, 9, 4, 3]])
    given = {"input_ids": ids, "attention_mask": ids**0, "token_type_ids": 0 * ids}
    [own] = ServedModel(model).run(given, ["undefended_logits"])
    expected = DefendedClassifier.load(answering).run_ids(ids.tolist())
    np.testing.assert_allclose(own, expected.undefended_logits, atol=1e-6)
    assert not np.allclose(own, expected.logits)


@pytest.mark.parametrize("batch", [0, 64])
def test_rows_in_int8_are_never_put_together(bundle_path, seal, tmp_path, batch):
    bundle = in_int8(bundle_path, seal)
    [model] = write_triton(bundle, tmp_path / "models", max_batch_size=batch)
    config = read_config(model)
    assert config.max_batch_size == 0
    assert not config.HasField("dynamic_batching")
    # All tensors are there: Triton would complete a configuration without them with a batch.
    assert shapes(config.input) == {
        **dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), ([1, -1], False)),
        "threshold": ([1], False),
    }
    assert [one.name for one in config.input if one.optional] == ["threshold"]
    assert shapes(config.output) == {
        "logits": ([-1, 2], False),
        "anomaly_score": ([-1], False),
        "flagged": ([-1], False),
    }


def test_without_batching_a_request_may_bring_a_threshold(pristine, tmp_path):
    [model] = write_triton(pristine, tmp_path / "models", max_batch_size=0)
    config = read_config(model)
    assert config.max_batch_size == 0
    assert shapes(config.input)["input_ids"] == ([-1, -1], False)
    assert config.input[-1].name == "threshold"
    assert config.input[-1].optional


def replay(model, protocol, url):
    """As where the other protocol's packages are not installed."""
    other = {"http": "grpc", "grpc": "http"}[protocol]
    script = (
        f"import runpy, sys; sys.modules['tritonclient.{other}'] = None; "
        f"runpy.run_path({str(model / 'replay_golden.py')!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", script, "--protocol", protocol, "--url", url],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_golden_rows(pristine, tmp_path, protocol):
    [model] = write_triton(pristine, tmp_path / "models")
    rows = json.loads((model / "golden.json").read_text())["rows"]
    with served(model, protocol) as url:
        done = replay(model, protocol, url)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{len(rows)} golden rows, 0 differences\n"
        # Another answer is seen, in every output.
        golden = json.loads((model / "golden.json").read_text())
        golden["rows"][0]["logits"][1] += 0.01
        golden["rows"][1]["flagged"] = not golden["rows"][1]["flagged"]
        golden["rows"][2]["anomaly_score"] = None
        golden["rows"][3]["logits"].append(0.0)
        (model / "golden.json").write_text(json.dumps(golden))
        done = replay(model, protocol, url)
    assert done.returncode == 1
    assert [line.split(" is ")[0] for line in done.stdout.splitlines()[:-1]] == [
        *("row 0: logits", "row 1: flagged", "row 2: anomaly_score", "row 3: logits")
    ]


def test_golden_rows_of_pairs_and_of_many_labels(pristine_of_pairs, many_labels, tmp_path):
    for bundle in (pristine_of_pairs, many_labels):
        [model] = write_triton(bundle, tmp_path / bundle.parent.name)
        assert "token_type_ids" in shapes(read_config(model).input)
        rows = json.loads((model / "golden.json").read_text())["rows"]
        assert any(1 in row.get("token_type_ids", ()) for row in rows) == (bundle != many_labels)
        with served(model) as url:
            done = replay(model, "http", url)
        assert done.stdout == f"{len(rows)} golden rows, 0 differences\n", done.stderr


def test_weights_beside_the_graph_come_along(bundle_path, seal, tmp_path):
    path = bundle_path / "onnx" / "model.onnx"
    onnx.save(
        tiny_bundle.graph(),
        path,
        save_as_external_data=True,
        location="model.onnx_data",
        size_threshold=100,
    )
    seal(bundle_path)
    [model] = write_triton(bundle_path, tmp_path / "models")
    with served(model) as url:
        assert replay(model, "http", url).returncode == 0


def test_another_bundle_and_a_name_for_no_server_are_refused(pristine, tmp_path):
    out = ("--out", tmp_path / "models")
    done = integrate("triton", pristine, *out, "--expect", f"sha256:{'0' * 64}")
    assert (done.exit_code, (tmp_path / "models").exists()) == (2, False)
    done = integrate("triton", pristine, *out, "--name", "../x")
    assert done.exit_code == 2
    assert "The model's name: found '../x'" in done.stderr


def test_kserve(pristine, tmp_path):
    uri = "s3://bucket/a: b"
    out = tmp_path / "service"
    done = integrate("kserve", pristine, "--out", out, "--storage-uri", uri, "--name", "mood")
    assert done.exit_code == 0
    assert done.stdout == f"wrote {out / 'inference-service.yaml'}\n"
    manifest = yaml.safe_load((out / "inference-service.yaml").read_text())
    assert manifest["metadata"]["name"] == "mood"
    assert manifest["spec"]["predictor"]["model"] == {
        "modelFormat": {"name": "triton"},
        "runtime": "kserve-tritonserver",
        "protocolVersion": "v2",
        "storageUri": uri,
    }
    assert read_config(out / "models" / "mood").name == "mood"
    integrate(
        *("kserve", pristine, "--out", tmp_path / "gpu", "--storage-uri", uri, "--device", "gpu")
    )
    manifest = yaml.safe_load((tmp_path / "gpu" / "inference-service.yaml").read_text())
    limits = manifest["spec"]["predictor"]["model"]["resources"]["limits"]
    assert limits == {"nvidia.com/gpu": "1"}
