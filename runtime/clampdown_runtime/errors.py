"""Clampdown's own errors: each names the thing, what was found and expected, and what to do.

And the base of its warnings.
"""

from collections.abc import Callable
from functools import partial


class ClampdownError(Exception):
    """Base of every error that Clampdown raises on purpose.

    Args:
        thing: what is wrong, named as the user knows it (a path, an option, a row).
        found: what was found there.
        expected: what was expected instead.
        hint: what the user can do about it.
    """

    def __init__(self, thing: str, *, found: str, expected: str, hint: str) -> None:
        self.thing, self.found, self.expected, self.hint = map(
            _encodable, (thing, found, expected, hint)
        )
        super().__init__(f"{self.thing}: found {self.found}; expected {self.expected}. {self.hint}")

    def __reduce__(self) -> tuple[Callable[..., "ClampdownError"], tuple[str]]:
        """Pickles and copies with its parts: a worker's error reaches the process that waits."""
        parts = {"found": self.found, "expected": self.expected, "hint": self.hint}
        return partial(type(self), **parts), (self.thing,)


def _encodable(text: str) -> str:
    """Names of files and keys of JSON can hold half of a surrogate pair, which no file takes."""
    return text.encode("utf-8", "backslashreplace").decode()


class RowsError(ClampdownError):
    """A file of rows, or one row or text in it, cannot be used."""


class ModelError(ClampdownError):
    """A model folder or ONNX file cannot be used as a classifier."""


class UnsupportedArchitectureError(ModelError):
    """The model's layers cannot be found; the message says what can be passed instead."""


class CalibrationError(ClampdownError):
    """A calibration cannot be fitted, read, or does not belong to the model."""


class ExportError(ClampdownError):
    """The graph cannot be rewritten, or the rewritten graph disagrees with the model."""


class BundleError(ClampdownError):
    """A bundle is damaged, incomplete, changed, or of a version that this release cannot read."""


class ProviderError(ClampdownError):
    """ONNX Runtime, or the execution provider that was asked for, is not usable."""


class DestinationError(ClampdownError):
    """The place to write to cannot be used (it exists, is full, or is not writable)."""


class ClampdownWarning(UserWarning):
    """Base of every warning of Clampdown: what was done is less than what may be expected."""
