"""The error of an ONNX file that cannot be used."""

from pathlib import Path

from clampdown_runtime.errors import ModelError


def refusal(path: Path, found: str, expected: str, hint: str) -> ModelError:
    """That of a file, to be raised."""
    return ModelError(f"The ONNX model {path}", found=found, expected=expected, hint=hint)
