"""Says that texts were cut."""

import warnings

from clampdown_runtime.bundle.manifest import Side
from clampdown_runtime.errors import ClampdownWarning


class TruncationWarning(ClampdownWarning):
    """The model saw only a part of some texts."""


def warn_truncated(count: int, limit: str, side: Side) -> None:
    """Warn where there are such texts, on behalf of the caller of what classifies them.

    Args:
        count: how many.
        limit: how much is read of a text.
        side: the one that is cut off.
    """
    if count:
        part = "follows" if side == "right" else "stands before"
        warnings.warn(
            f"{count} of the texts were longer than {limit} and were truncated: what {part} "
            "was not seen by the model",
            TruncationWarning,
            # This function, what classifies, and then who called it.
            stacklevel=3,
        )
