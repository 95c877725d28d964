"""Sees what a target does outside its folder: files opened, connections, processes, files left."""

import ctypes
import os
import struct
import sys
from pathlib import Path

_ACCESS, _OPEN = 0x1, 0x20
_HEADER = struct.Struct("iIII")
FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec")
"""Events of Python's audit that are no reading of a file."""


class OpenedFile:
    """Tells whether a file was opened or read, by native code as well; Linux only."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if libc.inotify_add_watch(self._descriptor, os.fsencode(path), _ACCESS | _OPEN) < 0:
            raise OSError(ctypes.get_errno(), f"{path} cannot be watched")

    def seen(self) -> bool:
        """Whether it was, since the last call."""
        try:
            return len(os.read(self._descriptor, 64 * _HEADER.size)) > 0
        except BlockingIOError:
            return False


class ForbiddenEvents:
    """Stops connections and new processes of this process, and remembers them."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        sys.addaudithook(self._hook)

    def seen(self) -> list[str]:
        """Their names since the last call."""
        found, self._seen = sorted(self._seen), set()
        return found

    def _hook(self, event: str, _: object) -> None:
        if event in FORBIDDEN:
            self._seen.add(event)
            raise ConnectionRefusedError(f"no {event} here")


def listing(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Every entry under a folder with its kind, size and time of change."""
    found = {}
    for here, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(here, name)  # noqa: PTH118 - names may be no valid text
            state = os.lstat(path)
            size = 0 if name in folders else state.st_size
            time = 0 if name in folders else state.st_mtime_ns
            found[os.path.relpath(path, folder)] = (state.st_mode, size, time)
    return found
