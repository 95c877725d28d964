"""Ways to break the product in a trial's process, each of which a check has to see."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

_WHILE = 0.05
"""Seconds, of the order of a move of the threshold, so that some fall in between."""


def nothing_spoiled() -> None:
    """The product as it is."""


def _in_place() -> None:
    """The bundle is rewritten where it lies."""
    from clampdown_exporter.bundle import move_threshold

    @contextlib.contextmanager
    def replacement(destination: Path):
        yield Path(destination)

    move_threshold.atomic_replacement = replacement


def _nothing_removed() -> None:
    shutil.rmtree = lambda *_args, **_keys: None


def _no_handler() -> None:
    """SIGTERM ends the process at once."""
    original = signal.signal

    def setting(number: int, handler: object) -> object:
        return original(number, signal.SIG_DFL if number == signal.SIGTERM else handler)

    signal.signal = setting


def _success_said() -> None:
    """Every error ends with status 0."""
    from clampdown.cli import main

    main._Failure.exit_code = 0


def _unchecked() -> None:
    """What is loaded is not compared with what was checked, a while before."""
    from clampdown_runtime.bundle import files

    def read(self: files.Bundle, name: str) -> bytes:
        time.sleep(_WHILE)
        return (self.path / name).read_bytes()

    files.Bundle.read = read


def _not_locked() -> None:
    """Folders in use are taken for leftovers."""
    from clampdown_runtime.writing import working_folder

    working_folder._lock = lambda folder: os.open(folder, os.O_RDONLY)


SPOILS: dict[str, Callable[[], None]] = {
    "in place": _in_place,
    "nothing removed": _nothing_removed,
    "no handler": _no_handler,
    "success said": _success_said,
    "unchecked": _unchecked,
    "not locked": _not_locked,
}


SEEN_BY = {
    "in place": ("killed", "SIGKILL at a line | threshold"),
    "nothing removed": ("full_disk", "a file may have n bytes | threshold"),
    "no handler": ("signalled", "SIGTERM at a line | threshold"),
    "success said": ("full_disk", "a file may have n bytes | threshold"),
    "unchecked": ("at_once", "readers"),
    "not locked": ("at_once", "writers at once | threshold"),
}
"""The kind, and the trials of it, that find something wrong then."""
