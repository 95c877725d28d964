"""Undoes what has to be undone, even where Ctrl-C or SIGTERM interrupts that."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_depth = 0
_pending: list[BaseException] = []


def interrupt(error: BaseException) -> None:
    """Raise ``error`` now or, where something must not be interrupted, right behind it.

    For a handler of signals, which runs in the main thread, between any two of its instructions.
    """
    if not _depth:
        raise error
    _pending.append(error)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Postpone :func:`interrupt` until the end of the block."""
    global _depth  # noqa: PLW0603 - handlers of signals are the process's
    if threading.current_thread() is not threading.main_thread():
        # No handler runs here.
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _pending and not _depth:
            latest = _pending[-1]
            _pending.clear()
            raise latest


@contextmanager
def surely(undo: Callable[[], None]) -> Iterator[None]:
    """Undo something at the end, whatever happens.

    Twice, since an interrupt can come before the first one is safe from it; ``undo`` has to bear
    that.
    """
    try:
        try:
            yield
        finally:
            with uninterrupted():
                undo()
    finally:
        with uninterrupted():
            undo()
