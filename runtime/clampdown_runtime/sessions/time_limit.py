"""Ends a run that takes too long."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

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

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()
