"""A bundle's graph is read from the bytes that were verified, or refused."""

import onnx
import onnx_ir as ir
import pytest
from defended_graphs import defended

from clampdown_exporter.bundle.graph_file import read_graph
from clampdown_runtime import BundleError, open_bundle


def refused(bundle, seal, model, pattern):
    (bundle / "onnx" / "model.onnx").write_bytes(
        model if isinstance(model, bytes) else model.SerializeToString()
    )
    seal(bundle)
    with pytest.raises(BundleError, match=pattern):
        read_graph(open_bundle(bundle))


def test_what_changes_behind_the_check_is_not_read(bundle_path):
    opened = open_bundle(bundle_path)
    assert read_graph(opened).graph.outputs[0].name == "logits"
    opened.model_path.write_bytes(opened.model_path.read_bytes() + b" ")
    with pytest.raises(BundleError, match="other contents than a moment ago"):
        read_graph(opened)


@pytest.mark.parametrize("data", [b"", b"nothing"])
def test_what_is_no_graph_is_refused(bundle_path, seal, data):
    refused(bundle_path, seal, data, "no valid ONNX graph")


def test_weights_elsewhere_are_refused(bundle_path, seal):
    model = onnx.load(bundle_path / "onnx" / "model.onnx")
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")
    refused(bundle_path, seal, model, "weights in 'weights.bin'")


def test_a_name_that_is_not_utf_8_is_refused(bundle_path, seal):
    data = (bundle_path / "onnx" / "model.onnx").read_bytes()
    refused(bundle_path, seal, data.replace(b"words", b"w\xffrds"), "no valid ONNX graph")


def test_a_loop_that_would_crash_onnx_runtime_is_refused(bundle_path, seal):
    model = ir.to_proto(defended("detect-then-purify", "badacts")[0])
    [loop] = [node for node in model.graph.node if node.op_type == "Loop"]
    # One that nothing reads, which the checker lets pass.
    loop.output[0] = ""
    refused(bundle_path, seal, model, "a loop or branch without one of its outputs")
