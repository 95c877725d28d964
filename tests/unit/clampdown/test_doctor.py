import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from clampdown.doctor import PROBE, doctor
from clampdown_runtime import ProviderError

module = sys.modules["clampdown.doctor"]


@pytest.fixture
def build(monkeypatch):
    """A build of ONNX Runtime whose sessions use one provider and give one result."""

    def make(providers, *, used="CPUExecutionProvider", result=9.0, error=None):
        entries = []

        class Options:
            def add_session_config_entry(self, key, value):
                entries.append((key, value))

        class Session:
            def __init__(self, _model, _options, providers):
                if error and providers[0] != "CPUExecutionProvider":
                    raise RuntimeError(error)

            def get_providers(self):
                return [used]

            def run(self, _outputs, _feed):
                return [np.array([result], np.float32)]

        ort = SimpleNamespace(
            get_available_providers=lambda: providers,
            SessionOptions=Options,
            InferenceSession=Session,
        )
        monkeypatch.setattr(module, "import_onnxruntime", lambda: ort)
        return entries

    return make


def test_the_installed_build_runs_on_the_cpu():
    found = doctor()
    assert found.usable == ("CPUExecutionProvider",)
    assert set(found.available) == {*found.usable, *found.unusable}
    assert found.problem is None
    assert "onnxruntime" in found.onnxruntime
    assert found.packages["numpy"] == np.__version__
    assert set(found.gpu_libraries.values()) <= {True, False}


def test_a_provider_that_leaves_the_work_to_the_cpu_is_not_usable():
    # In the build of PyPI this provider is named as available and has no operator of its own.
    found = doctor()
    if "AzureExecutionProvider" not in found.available:
        pytest.skip("this build does not name the provider")
    assert "CPU EP" in found.unusable["AzureExecutionProvider"]


def test_a_silent_fallback_is_not_usable(build):
    entries = build(["CUDAExecutionProvider", "CPUExecutionProvider"])
    found = doctor()
    assert found.usable == ("CPUExecutionProvider",)
    assert found.unusable == {
        "CUDAExecutionProvider": "ONNX Runtime fell back to CPUExecutionProvider"
    }
    assert entries == [("session.disable_cpu_ep_fallback", "1")]


def test_a_provider_that_fails_is_told_in_one_line(build):
    build(["CUDAExecutionProvider", "CPUExecutionProvider"], error="no driver\nmore\n")
    assert doctor().unusable == {"CUDAExecutionProvider": "no driver"}


def test_a_provider_that_computes_wrongly_is_not_usable(build):
    build(["CPUExecutionProvider"], result=8.0)
    found = doctor()
    assert not found.usable
    assert found.unusable == {"CPUExecutionProvider": "3 * 3 gave [8.0]"}


def test_no_build_is_a_problem(monkeypatch):
    def refuse():
        raise ProviderError("ONNX Runtime", found="no build", expected="one", hint="Install it.")

    monkeypatch.setattr(module, "import_onnxruntime", refuse)
    found = doctor()
    assert found.available == found.usable == ()
    assert "Install it." in found.problem


def test_a_build_of_which_only_some_files_are_left_is_a_problem(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    found = doctor()
    assert found.available == found.usable == ()
    assert "files are missing" in found.problem


def test_a_missing_package_has_no_version(monkeypatch):
    monkeypatch.setattr(module, "_PACKAGES", ("a-package-that-nobody-made",))
    assert doctor().packages == {"a-package-that-nobody-made": None}


def test_a_library_that_is_not_there_is_not_found(monkeypatch):
    monkeypatch.setattr(module, "_GPU_LIBRARIES", {sys.platform: ("libnobody-made-this.so.1",)})
    assert doctor().gpu_libraries == {"libnobody-made-this.so.1": False}


def test_the_probe_is_the_model_that_its_comment_says():
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "x"], ["y"])], "g", *map(list, zip(value))
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    model.producer_name = ""
    assert onnx.load_from_string(PROBE) == model
    onnx.checker.check_model(model, full_check=True)
