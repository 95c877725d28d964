"""Ends a run that takes too long."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clampdown_runtime.errors import ClampdownError, ProviderError
from clampdown_runtime.sessions.providers import import_onnxruntime

if TYPE_CHECKING:
    import onnxruntime


@contextmanager
def ending_after(seconds: float) -> Iterator["onnxruntime.RunOptions"]:
    """Yield options for one run, which is ended when the time is over.

    ONNX Runtime ends it before its next operator: a single one is never interrupted.
    """
    options = import_onnxruntime().RunOptions()

    def end() -> None:
        options.terminate = True

    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), end)
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()


def require_time_limit(seconds: float, *, cuda_graphs: bool) -> None:
    """Refuse a limit that cannot be kept.

    Args:
        seconds: of a run.
        cuda_graphs: whether a run is one launch.

    Raises:
        ClampdownError: it is not above 0.
        ProviderError: nothing ends a launch.
    """
    # Not `<= 0`, which NaN is not.
    if not seconds > 0:
        raise ClampdownError(
            "time_limit", found=str(seconds), expected="more than 0 seconds", hint="Pass more."
        )
    if cuda_graphs:
        raise ProviderError(
            "CUDA graphs",
            found="a time limit",
            expected="none, since a graph is one launch that nothing ends",
            hint="Leave out one of the two.",
        )
