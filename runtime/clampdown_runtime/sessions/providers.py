"""Makes sure of one ONNX Runtime, and that it uses the provider that was asked for."""

import contextlib
import sys
from typing import TYPE_CHECKING, Literal, get_args

from clampdown_runtime.errors import ProviderError

if TYPE_CHECKING:
    from types import ModuleType

    import onnxruntime

Provider = Literal["cpu", "cuda", "tensorrt", "openvino", "directml", "coreml", "xnnpack", "webgpu"]
"""Where a bundle runs: each where the installed build of ONNX Runtime has it."""

_BUILDS = (
    "onnxruntime",
    "onnxruntime-directml",
    "onnxruntime-gpu",
    "onnxruntime-migraphx",
    "onnxruntime-openvino",
    "onnxruntime-qnn",
    "onnxruntime-rocm",
    "onnxruntime-training",
)
"""The distributions that install the module ``onnxruntime``, each over the files of the others."""

_NEEDED = ("InferenceSession", "get_available_providers")

_EXTRAS = "pip install 'clampdown[cpu]', or pip install 'clampdown[cuda]' for an NVIDIA GPU"
_NAMES: dict[Provider, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "xnnpack": "XnnpackExecutionProvider",
    "webgpu": "WebGpuExecutionProvider",
}
# TF32 rounds to 10 bits: scores would leave the threshold that was set on the CPU's float32.
_OPTIONS: dict[Provider, dict[str, str]] = {"cuda": {"use_tf32": "0"}}


def import_onnxruntime() -> "ModuleType":
    """Imports ONNX Runtime where exactly one build of it is installed.

    Returns:
        The module ``onnxruntime``.

    Raises:
        ProviderError: none or several builds are installed, or the build cannot be imported or
            lacks files; the message says what to install.
    """
    builds = installed_builds()
    if not builds:
        raise ProviderError(
            "ONNX Runtime",
            found="no build of it installed",
            expected="exactly one",
            hint=f"Run {_EXTRAS}.",
        )
    if len(builds) > 1:
        raise ProviderError(
            "ONNX Runtime",
            found=f"{' and '.join(builds)}, which overwrite each other's files",
            expected="exactly one build",
            hint=f"Run pip uninstall {' '.join(builds)}, then {_EXTRAS}.",
        )
    try:
        import onnxruntime  # noqa: PLC0415 - importable only once the build is known to be one
    except ImportError as error:
        raise ProviderError(
            builds[0],
            found=f"a build that cannot be imported ({error})",
            expected="a working build",
            hint=f"Run pip uninstall {builds[0]}, then {_EXTRAS}.",
        ) from error
    module: ModuleType = onnxruntime
    if missing := [name for name in _NEEDED if not hasattr(module, name)]:
        # Folders that stay when one of two builds is uninstalled are a package to Python.
        raise ProviderError(
            builds[0],
            found=f"a build whose files are missing (it has no {' and no '.join(missing)})",
            expected="a working build",
            hint=f"Run pip uninstall {builds[0]}, then {_EXTRAS}.",
        )
    return module


def prepare_provider(provider: Provider) -> tuple[str, dict[str, str]]:
    """Makes a provider ready for a new session.

    Returns:
        ONNX Runtime's own name of the provider, and the options to use it with.

    Raises:
        ProviderError: the provider is unknown, or the installed build does not have it.
    """
    if provider not in _NAMES:
        raise ProviderError(
            "the provider",
            found=repr(provider),
            expected=f"one of {', '.join(get_args(Provider))}",
            hint="Pass one of these.",
        )
    ort = import_onnxruntime()
    name = _NAMES[provider]
    available = ort.get_available_providers()
    if name not in available:
        raise ProviderError(
            f"the provider {provider!r}",
            found=f"a build of ONNX Runtime with only {', '.join(available)}",
            expected=f"a build with {name}",
            hint=f"Run pip uninstall {installed_builds()[0]}, then install the build that has it "
            "(for cuda: pip install 'clampdown[cuda]'), or use the provider 'cpu'.",
        )
    if provider in ("cuda", "tensorrt") and hasattr(ort, "preload_dlls"):
        # It prints what it cannot load; standard output belongs to the program's results.
        with contextlib.redirect_stdout(sys.stderr):
            ort.preload_dlls()
    return name, _OPTIONS.get(provider, {})


def require_provider(session: "onnxruntime.InferenceSession", provider: Provider) -> None:
    """Refuses a session in which ONNX Runtime fell back to another provider, as it does silently.

    Raises:
        ProviderError: the session's first provider is not the one asked for.
    """
    used = session.get_providers()[0]
    if used != _NAMES[provider]:
        raise ProviderError(
            f"the provider {provider!r}",
            found=f"that ONNX Runtime fell back to {used}",
            expected=_NAMES[provider],
            hint="Install the libraries that this provider needs (for cuda: CUDA and cuDNN) and "
            "check that its device is there (nvidia-smi), or use the provider 'cpu'.",
        )


def installed_builds() -> list[str]:
    """The distributions that hold the module ``onnxruntime``; exactly one should be installed."""
    # Imported here: it takes longer than all of this package, and only loading a bundle needs it.
    from importlib import metadata  # noqa: PLC0415

    installed = []
    for build in _BUILDS:
        with contextlib.suppress(metadata.PackageNotFoundError):
            metadata.distribution(build)
            installed.append(build)
    return installed
