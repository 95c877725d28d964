"""A folder to work in, and how to tell it from the leftover of a process that was killed."""

import contextlib
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from clampdown_runtime.writing.interrupts import surely, uninterrupted

if sys.platform != "win32":
    import fcntl

_MARK = "clampdown"
_RANDOM_BYTES = 8
_PRIVATE = 0o700


@contextlib.contextmanager
def working_folder(place: Path) -> Iterator[Path]:
    """Yield a new hidden folder beside ``place``, on its file system; it is removed at the end.

    It is locked as long as the process lives. Those of ``place`` that nobody holds any more are
    leftovers of processes that were killed, and are removed first. Where the system has no such
    locks, leftovers stay.

    Raises:
        OSError: the folder cannot be made.
    """
    with _held(place.parent, f".{place.name}-{_MARK}-", 0o777) as folder:
        yield folder


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder that its owner alone can read, where the system keeps temporary files.

    It is removed at the end, and so are those that killed processes left; see
    :func:`working_folder`.

    Raises:
        OSError: the folder cannot be made.
    """
    with uninterrupted():
        # It tries the place by writing a file.
        place = Path(tempfile.gettempdir())
    with _held(place, f"{_MARK}-scratch-", _PRIVATE) as folder:
        yield folder


def free_name(place: Path) -> Path:
    """A hidden name beside a place, which nobody has and nobody takes for a leftover."""
    return place.with_name(f".{place.name}-{secrets.token_hex(_RANDOM_BYTES)}")


@contextlib.contextmanager
def _held(parent: Path, start: str, mode: int) -> Iterator[Path]:
    _remove_leftovers(parent, start)
    while True:
        folder = parent / f"{start}{secrets.token_hex(_RANDOM_BYTES)}"
        with surely(partial(shutil.rmtree, folder, ignore_errors=True)):
            folder.mkdir(mode)
            try:
                lock = _lock(folder)
            except BlockingIOError:
                # Another process took it for a leftover, in the moment before it was locked.
                continue
            try:
                yield folder
            finally:
                if lock is not None:
                    os.close(lock)
        return


def _remove_leftovers(parent: Path, start: str) -> None:
    """Remove the folders of a name's kind that are ours and that no process holds."""
    name = re.compile(re.escape(start) + f"[0-9a-f]{{{2 * _RANDOM_BYTES}}}")
    with contextlib.suppress(OSError):
        found = [entry for entry in os.scandir(parent) if name.fullmatch(entry.name)]
        for entry in found:
            with contextlib.suppress(OSError):
                if not entry.is_dir(follow_symlinks=False) or not _is_ours(entry):
                    continue
                lock = _lock(Path(entry.path))
                if lock is not None:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    os.close(lock)


def _is_ours(entry: "os.DirEntry[str]") -> bool:
    return sys.platform != "win32" and entry.stat(follow_symlinks=False).st_uid == os.getuid()


def _lock(folder: Path) -> int | None:
    """Lock a folder until the descriptor is closed, by us or by the process's end.

    Returns:
        The descriptor; None where the system or the file system has no such locks.

    Raises:
        BlockingIOError: another process holds it, or has removed it.
    """
    if sys.platform == "win32":
        return None
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise BlockingIOError(f"{folder} is gone") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    if not folder.exists():
        os.close(descriptor)
        raise BlockingIOError(f"{folder} is gone")
    return descriptor
