"""Safetensors files, written and read as bytes, so that what was verified is what is read."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

_LENGTH = 8
"""Bytes of the header's length, little-endian, at the beginning of a file."""


def tensor_bytes(
    tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str] | None = None
) -> bytes:
    """The contents of a safetensors file."""
    # safetensors writes an array's memory as it lies, whatever its strides say.
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    data: bytes = save(contiguous, metadata)
    return data


def read_tensors(data: bytes) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The tensors and the metadata of a safetensors file.

    Raises:
        ValueError: the bytes are no such file, or have a tensor that NumPy has no type for.
    """
    try:
        tensors = load(data)
    except Exception as error:  # of the package, of NumPy, and of a type that it does not know
        raise ValueError(f"no safetensors ({type(error).__name__}: {error})") from error
    # The package has checked the header by now, but gives its metadata for files alone.
    length = int.from_bytes(data[:_LENGTH], "little")
    return tensors, json.loads(data[_LENGTH : _LENGTH + length]).get("__metadata__") or {}
