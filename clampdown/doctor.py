"""What this machine can run: Python, ONNX Runtime, its providers, and the libraries of a GPU."""

import contextlib
import ctypes
import platform
import sys
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType

import numpy as np

from clampdown_runtime.errors import ProviderError
from clampdown_runtime.sessions.providers import (
    import_onnxruntime,
    installed_builds,
    prepare_provider,
)

# y = x * x on float32 [1], opset 13, IR 8. Made with onnx.helper (a test makes it again) and kept
# as bytes, since the package onnx is not among the runtime's dependencies.
PROBE = (
    b'\x08\x08\x12\x00:5\n\x0e\n\x01x\n\x01x\x12\x01y"\x03Mul\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08'
    b"\x01\x12\x04\n\x02\x08\x01b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00"
    b"\x10\r"
)
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
_FATAL = 4

_PACKAGES = (
    "numpy",
    "tokenizers",
    "onnx",
    "onnx-ir",
    "onnxscript",
    "safetensors",
    "torch",
    "transformers",
    "optimum-onnx",
    "pyarrow",
)
_GPU_LIBRARIES = {
    "linux": (
        "libcuda.so.1",
        "libcudart.so.12",
        "libcudart.so.13",
        "libcudnn.so.9",
    ),
    "win32": ("nvcuda.dll", "cudart64_12.dll", "cudart64_13.dll", "cudnn64_9.dll"),
}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found.

    Attributes:
        python: Python's version.
        platform: the operating system and the processor.
        onnxruntime: the installed distributions of ONNX Runtime and their versions.
        available: the providers that the build names.
        usable: those of them that ran a tiny model themselves.
        unusable: why the others did not, by provider.
        gpu_libraries: whether each library of a GPU could be loaded.
        packages: versions of the other packages, None where one is not installed.
        problem: why ONNX Runtime cannot be used; None when it can.
    """

    python: str
    platform: str
    onnxruntime: dict[str, str]
    available: tuple[str, ...]
    usable: tuple[str, ...]
    unusable: dict[str, str]
    gpu_libraries: dict[str, bool]
    packages: dict[str, str | None]
    problem: str | None


def doctor() -> Diagnosis:
    """Look at this machine and run a tiny model on every provider of the installed build."""
    available: tuple[str, ...] = ()
    results: dict[str, str | None] = {}
    problem = None
    try:
        ort = import_onnxruntime()
        available = tuple(ort.get_available_providers())
        # Loads the CUDA libraries that pip installed, as a session of Clampdown does.
        with contextlib.suppress(ProviderError):
            prepare_provider("cuda")
        results = {name: _failure(ort, name) for name in available}
    except ProviderError as error:
        problem = str(error)
    return Diagnosis(
        python=platform.python_version(),
        platform=platform.platform(),
        onnxruntime={name: metadata.version(name) for name in installed_builds()},
        available=available,
        usable=tuple(name for name, failure in results.items() if failure is None),
        unusable={name: failure for name, failure in results.items() if failure is not None},
        gpu_libraries={name: _loads(name) for name in _GPU_LIBRARIES.get(sys.platform, ())},
        packages={name: _version(name) for name in _PACKAGES},
        problem=problem,
    )


def _failure(ort: ModuleType, provider: str) -> str | None:
    """Why a provider does not run the tiny model itself; None when it does."""
    options = ort.SessionOptions()
    options.log_severity_level = _FATAL
    if provider != _CPU:
        # Else the CPU would run what the provider cannot, and nobody would know.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        session = ort.InferenceSession(PROBE, options, providers=[provider])
        used = session.get_providers()[0]
        [result] = session.run(["y"], {"x": np.array([3], np.float32)})
    # ONNX Runtime's exceptions have no base of their own.
    except Exception as error:
        return str(error).strip().splitlines()[0]
    if used != provider:
        return f"ONNX Runtime fell back to {used}"
    return None if result.tolist() == [9.0] else f"3 * 3 gave {result.tolist()}"


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
