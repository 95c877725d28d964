"""Lets the n-th call of one kind into a trial's folders fail, in the process that calls it."""

import builtins
import ctypes
import fcntl
import io
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_OS = ("mkdir", "rename", "replace", "fsync", "chmod", "open", "scandir", "unlink", "rmdir")
REMOVALS = ("unlink", "rmdir", "scandir")
"""Of which one that fails leaves something that nobody can remove."""

CALLS = (*_OS, "flock", "renameat2", "open to write")


@dataclass
class FailingCalls:
    """Counts the calls about something below ``root``.

    Attributes:
        name: which of :data:`CALLS` fails; none if empty.
        at: the number of the call that fails.
        error: its errno.
        always: whether those that follow fail, too, as where a file system knows no such call.
    """

    root: Path
    name: str = ""
    at: int = 0
    error: int = 0
    always: bool = False
    seen: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        for name in _OS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        fcntl.flock = self._wrapped("flock", fcntl.flock)
        opened = self._opening(io.open)
        builtins.open = io.open = opened
        ctypes.CDLL = self._library(ctypes.CDLL)

    def _wrapped(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*args: object, **keys: object) -> object:
            if args and self._inside(args[0], keys.get("dir_fd") or keys.get("src_dir_fd")):
                self._count(name)
            return call(*args, **keys)

        # shutil asks by identity whether a call can work below an open folder.
        for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            if call in able:
                able.add(wrapper)
        return wrapper

    def _opening(self, call: Callable[..., object]) -> Callable[..., object]:
        def wrapper(file: object, mode: str = "r", *args: object, **keys: object) -> object:
            if set(mode) & set("wax+") and self._inside(file, None):
                self._count("open to write")
            return call(file, mode, *args, **keys)

        return wrapper

    def _library(self, kind: type) -> type:
        """The C library, whose ``renameat2`` is called through ctypes."""
        count = self._count

        class Library(kind):
            def __getattr__(self, name: str) -> object:
                function = super().__getattr__(name)
                if name != "renameat2":
                    return function

                def call(*args: object) -> int:
                    try:
                        count(name)
                    except OSError as error:
                        ctypes.set_errno(error.errno)
                        return -1
                    return function(*args)

                return call

        return Library

    def _count(self, name: str) -> None:
        self.seen[name] += 1
        reached = self.seen[name] == self.at or (self.always and self.seen[name] > self.at)
        if name == self.name and reached:
            raise OSError(self.error, os.strerror(self.error))

    def _inside(self, target: object, folder: object) -> bool:
        try:
            if isinstance(target, int):
                path = Path(f"/proc/self/fd/{target}").readlink()
            else:
                path = os.fsdecode(target)
                if isinstance(folder, int):
                    path = Path(f"/proc/self/fd/{folder}").readlink() / path
        except (OSError, TypeError):
            return False
        return Path(path).absolute().is_relative_to(self.root)
