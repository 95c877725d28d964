"""The clean rows' scores that a bundle keeps, read without the package safetensors."""

import json

import numpy as np
from numpy.typing import NDArray

from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import CALIBRATION_FILE
from clampdown_runtime.errors import BundleError

_SCORES = "clean.held_out_scores"
_LENGTH = 8
"""Bytes of the header's length, little-endian, at the beginning of a safetensors file."""


def clean_scores(bundle: Bundle) -> NDArray[np.float32]:
    """The anomaly scores of the held-out clean rows, those that are finite, in order.

    Args:
        bundle: a verified bundle; docs/calibration.md says what it keeps.

    Returns:
        float32 ``[n]``, at least one.

    Raises:
        BundleError: there are none, as in a bundle of an earlier release.
    """
    data = bundle.read(CALIBRATION_FILE)
    try:
        begin = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
        stored = json.loads(data[_LENGTH:begin])[_SCORES]
        if stored["dtype"] != "F32":
            raise ValueError(f"{_SCORES} of the type {stored['dtype']}")
        first, end = stored["data_offsets"]
        scores = np.frombuffer(data[begin + first : begin + end], "<f4")
        finite: NDArray[np.float32] = np.sort(scores[np.isfinite(scores)]).astype(np.float32)
        if not len(finite):
            raise ValueError("no score that is finite")
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise BundleError(
            str(bundle.calibration_path),
            found=f"no clean scores that can be read ({error})",
            expected=f"`{_SCORES}`, which traffic is held against",
            hint="Export the bundle again.",
        ) from error
    return finite
