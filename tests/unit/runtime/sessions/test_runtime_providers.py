import sys
from importlib import metadata
from types import ModuleType, SimpleNamespace

import pytest

from clampdown_runtime.errors import ProviderError
from clampdown_runtime.sessions import providers
from clampdown_runtime.sessions.providers import (
    import_onnxruntime,
    prepare_provider,
    require_provider,
)


@pytest.fixture
def installed(monkeypatch):
    def install(*names):
        def distribution(name):
            if name not in names:
                raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "distribution", distribution)

    return install


def test_one_build_is_imported(installed):
    installed("onnxruntime")
    assert import_onnxruntime() is sys.modules["onnxruntime"]


def test_no_build_says_which_extra_to_install(installed):
    installed("numpy")
    with pytest.raises(ProviderError) as caught:
        import_onnxruntime()
    assert "pip install 'clampdown[cpu]'" in caught.value.hint
    assert "pip install 'clampdown[cuda]'" in caught.value.hint


@pytest.mark.parametrize("other", ["onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-qnn"])
def test_two_builds_say_to_uninstall_both(installed, other):
    installed("onnxruntime", other)
    with pytest.raises(ProviderError) as caught:
        import_onnxruntime()
    assert other in caught.value.found
    assert f"pip uninstall onnxruntime {other}" in caught.value.hint


def test_a_build_whose_files_are_gone_is_an_error_too(installed, monkeypatch):
    installed("onnxruntime-gpu")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ProviderError, match="cannot be imported"):
        import_onnxruntime()


@pytest.mark.parametrize("left", ["InferenceSession", "get_available_providers", None])
def test_a_build_of_which_only_some_files_are_left_is_an_error_too(installed, monkeypatch, left):
    # Uninstalling one of two builds leaves folders, which Python takes for a package.
    installed("onnxruntime")
    package = ModuleType("onnxruntime")
    if left:
        setattr(package, left, None)
    monkeypatch.setitem(sys.modules, "onnxruntime", package)
    with pytest.raises(ProviderError, match=r"files are missing.*pip uninstall onnxruntime"):
        import_onnxruntime()


def test_an_unknown_provider_is_refused():
    with pytest.raises(ProviderError, match="tpu"):
        prepare_provider("tpu")


def test_cuda_needs_a_build_that_has_it(monkeypatch):
    ort = SimpleNamespace(get_available_providers=lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: ort)
    with pytest.raises(ProviderError, match="CUDAExecutionProvider"):
        prepare_provider("cuda")


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        ("tensorrt", "TensorrtExecutionProvider"),
        ("openvino", "OpenVINOExecutionProvider"),
        ("directml", "DmlExecutionProvider"),
        ("coreml", "CoreMLExecutionProvider"),
        ("xnnpack", "XnnpackExecutionProvider"),
        ("webgpu", "WebGpuExecutionProvider"),
    ],
)
def test_other_providers_are_taken_where_the_build_has_them(monkeypatch, provider, name):
    ort = SimpleNamespace(get_available_providers=lambda: [name, "CPUExecutionProvider"])
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: ort)
    assert prepare_provider(provider) == (name, {})
    with pytest.raises(ProviderError, match=f"fell back to CPU.*expected {name}"):
        require_provider(SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"]), provider)
    with pytest.raises(ProviderError, match=f"only {name}, CPUExecutionProvider"):
        prepare_provider("cuda")


def test_cuda_libraries_are_loaded_without_a_word_on_standard_output(monkeypatch, capsys):
    ort = SimpleNamespace(
        get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
        preload_dlls=lambda: print("Failed to load libcudnn"),  # noqa: T201
    )
    monkeypatch.setattr(providers, "import_onnxruntime", lambda: ort)
    name, options = prepare_provider("cuda")
    assert name == "CUDAExecutionProvider"
    assert options == {"use_tf32": "0"}
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "libcudnn" in captured.err


def test_a_session_that_fell_back_is_refused():
    session = SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])
    require_provider(session, "cpu")
    with pytest.raises(ProviderError, match="fell back to CPUExecutionProvider"):
        require_provider(session, "cuda")
