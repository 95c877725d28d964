"""What a bundle keeps of its clean rows, read without the package safetensors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import CALIBRATION_FILE
from clampdown_runtime.errors import BundleError

_SCORES, _CHANGED = "clean.held_out_scores", "clean.changed"
_TYPES = {"F32": "<f4", "U8": "u1"}
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
    with _explained(bundle):
        scores = _tensor(bundle, _SCORES)
        finite: NDArray[np.float32] = np.sort(scores[np.isfinite(scores)]).astype(np.float32)
        if not len(finite):
            raise ValueError("no score that is finite")
    return finite


def clean_changed(bundle: Bundle, threshold: float | None = None) -> float:
    """The share of the held-out clean rows that the defence gives another answer than the model.

    Args:
        bundle: see :func:`clean_scores`.
        threshold: takes the place of the bundle's own threshold.

    Returns:
        0 to 1.

    Raises:
        BundleError: see :func:`clean_scores`.
    """
    manifest = bundle.manifest
    if manifest.mode == "detect":
        return 0.0
    with _explained(bundle):
        scores, purified = _tensor(bundle, _SCORES), _tensor(bundle, _CHANGED)
        # Of many labels any that differs is another answer.
        changed = purified.reshape(len(scores), -1).any(axis=1)
        if manifest.mode == "detect-then-purify":
            cut = manifest.threshold if threshold is None else threshold
            changed &= ~(scores <= np.float32(cut))
        return float(changed.mean())


def _tensor(bundle: Bundle, name: str) -> NDArray[Any]:
    data = bundle.read(CALIBRATION_FILE)
    begin = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    stored = json.loads(data[_LENGTH:begin])[name]
    if stored["dtype"] not in _TYPES:
        raise ValueError(f"{name} of the type {stored['dtype']}")
    first, end = stored["data_offsets"]
    return np.frombuffer(data[begin + first : begin + end], _TYPES[stored["dtype"]])


@contextmanager
def _explained(bundle: Bundle) -> Iterator[None]:
    """Turn whatever a damaged file raises into our error."""
    try:
        yield
    except (
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        RecursionError,
        ZeroDivisionError,
    ) as error:
        raise BundleError(
            str(bundle.calibration_path),
            found=f"no clean scores that can be read ({error})",
            expected=f"`{_SCORES}` and `{_CHANGED}`, which traffic is held against",
            hint="Export the bundle again.",
        ) from error
