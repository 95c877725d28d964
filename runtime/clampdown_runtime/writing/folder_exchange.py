"""Puts a finished folder in the place of an existing one, and never removes the old one before."""

import contextlib
import ctypes
import errno
import os
import shutil
from functools import partial
from pathlib import Path

from clampdown_runtime.errors import DestinationError
from clampdown_runtime.writing.interrupts import surely

_HERE = -100
"""``AT_FDCWD``: paths are taken as everywhere else."""

_EXCHANGE = 2
"""``RENAME_EXCHANGE`` of Linux's ``renameat2``."""

_UNKNOWN = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}
"""What a kernel or a file system without it answers."""


def exchange(new: Path, old: Path, spare: Path) -> None:
    """Let ``new`` take the place of ``old``.

    In one step where the system can swap two folders: at any moment there is one, whole. Elsewhere
    in two, between which there is none: a process that is killed there leaves the old folder
    as ``spare``.

    Args:
        new: a folder; afterwards it is gone, or is the old one.
        old: an existing folder.
        spare: a free name beside them.

    Raises:
        OSError: the folders are where they were.
        DestinationError: something took the place of ``old`` between the two steps; the old one is
            kept as ``spare``.
    """
    flush(new)
    if not _swapped(new, old):
        with surely(partial(_settle, new, old, spare)):
            old.rename(spare)
            new.rename(old)
    _flush(old.parent)


def _settle(new: Path, old: Path, spare: Path) -> None:
    """End what two renames began: the old one is removed, or moved back."""
    if not spare.exists():
        return
    if not new.exists():
        shutil.rmtree(spare, ignore_errors=True)
        return
    try:
        spare.rename(old)
    except OSError as error:
        raise DestinationError(
            str(old),
            found="something that took its place while it was replaced",
            expected="a place that nobody else writes to",
            hint=f"The old folder is kept as {spare}: move it back.",
        ) from error


def flush(folder: Path) -> None:
    """Write every file of a folder to the disk, so that a power cut leaves no empty ones."""
    for path in (*folder.rglob("*"), folder):
        _flush(path)


def _flush(path: Path) -> None:
    # Windows opens no folders and flushes nothing that was opened to be read.
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _swapped(one: Path, other: Path) -> bool:
    """Swap two folders, if the system can."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    if not rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        return True
    code = ctypes.get_errno()
    if code in _UNKNOWN:
        return False
    raise OSError(code, os.strerror(code), str(other))
