import onnx
import onnxruntime
import pytest

from clampdown_runtime import DefendedClassifier
from clampdown_runtime.errors import BundleError, ProviderError
from clampdown_runtime.sessions import session
from clampdown_runtime.sessions.session import create_session

needs_no_cuda = pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="has CUDA"
)


def test_loading_says_nothing(pristine, capfd):
    create_session(pristine / "onnx" / "model.onnx")
    assert capfd.readouterr() == ("", "")


def test_a_session_never_falls_back_in_the_middle_of_a_run(pristine):
    assert not create_session(pristine / "onnx" / "model.onnx")._enable_fallback


def test_threads_are_those_asked_for(pristine):
    model = pristine / "onnx" / "model.onnx"
    assert create_session(model, threads=1).get_session_options().intra_op_num_threads == 1
    with pytest.raises(ProviderError, match="threads"):
        create_session(model, threads=0)


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.999])
def test_a_truncated_model_is_refused(bundle_path, seal, kept):
    model = bundle_path / "onnx" / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[: kept if isinstance(kept, int) else int(kept * len(content))])
    seal(bundle_path)
    with pytest.raises(BundleError, match=r"model\.onnx"):
        DefendedClassifier.load(bundle_path)


@needs_no_cuda
def test_cuda_without_a_gpu_is_an_error(pristine):
    with pytest.raises(ProviderError, match="cuda"):
        DefendedClassifier.load(pristine, provider="cuda")


def test_a_silent_fall_back_is_an_error(pristine, monkeypatch):
    monkeypatch.setattr(session, "prepare_provider", lambda _: ("CPUExecutionProvider", {}))
    with pytest.raises(ProviderError, match="fell back"):
        create_session(pristine / "onnx" / "model.onnx", provider="cuda")


@pytest.mark.parametrize("part", ["input", "output", "threshold"])
def test_a_graph_with_other_inputs_or_outputs_is_refused(bundle_path, seal, part):
    path = bundle_path / "onnx" / "model.onnx"
    model = onnx.load(path)
    if part == "input":
        seal(bundle_path, inputs=["input_ids", "attention_mask"])
    elif part == "output":
        model.graph.output.pop()
    else:
        model.graph.input.pop()
    if part != "input":
        onnx.save(model, path)
        seal(bundle_path)
    with pytest.raises(BundleError, match="inputs input_ids, attention_mask"):
        DefendedClassifier.load(bundle_path)


@pytest.mark.parametrize("name", ["anomaly_score", "flagged", "logits"])
def test_a_graph_with_an_output_of_another_type_is_refused(bundle_path, seal, name):
    path = bundle_path / "onnx" / "model.onnx"
    model = onnx.load(path)
    for node in model.graph.node:
        node.output[:] = ["before" if output == name else output for output in node.output]
        node.input[:] = ["before" if given == name else given for given in node.input]
    cast = onnx.helper.make_node("Cast", ["before"], [name], to=onnx.TensorProto.DOUBLE)
    model.graph.node.append(cast)
    [output] = [value for value in model.graph.output if value.name == name]
    output.type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
    onnx.save(model, path)
    seal(bundle_path)
    with pytest.raises(BundleError, match=rf"`{name}` as tensor\(double\)"):
        DefendedClassifier.load(bundle_path)


@pytest.mark.parametrize("place", ["weights.bin", "onnx/weights.bin", "../weights.bin"])
def test_weights_outside_the_file_are_never_read(bundle_path, seal, tmp_path, monkeypatch, place):
    path = bundle_path / "onnx" / "model.onnx"
    model = onnx.load(path)
    # One that no optimisation reads, which would fail without a folder.
    [outside] = [t for t in model.graph.initializer if t.name == "embedding"]
    weights = outside.raw_data
    for folder in (tmp_path, tmp_path / "onnx", tmp_path.parent, path.parent):
        folder.mkdir(exist_ok=True)
        (folder / "weights.bin").write_bytes(weights)
    outside.ClearField("raw_data")
    outside.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": place, "offset": "0", "length": str(len(weights))}.items():
        outside.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    seal(bundle_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="cannot load"):
        DefendedClassifier.load(bundle_path)


def test_a_failed_run_is_told_once_in_our_error_and_not_in_the_log(pristine, capfd):
    classifier = DefendedClassifier.load(pristine)
    outside = 10**6
    with pytest.raises(ProviderError, match="indices element out of data bounds"):
        classifier.run_ids([[outside]])
    assert capfd.readouterr() == ("", "")
