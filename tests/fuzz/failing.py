"""Targets that fail in each way, for the runner to tell apart."""

import ctypes
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clampdown_runtime.errors import RowsError
from tests.fuzz.targets import Target

MUCH = 2**31
"""Bytes: more than a mutant may take."""


SOME = 2**28
"""Bytes: more than a worker that is watched for it may take, and gone in a moment."""


class Panic(BaseException):
    """As Rust's panics are, no Exception."""


class UnprintableError(RowsError):
    """An error whose message is no valid text."""

    def __str__(self) -> str:
        return "\ud800"


def _accept(_: Path) -> Sequence[str]:
    return ()


def _find(_: Path) -> Sequence[str]:
    return ["this", "that"]


def _refuse(_: Path) -> Sequence[str]:
    raise RowsError("it", found="this", expected="that", hint="Try again.")


def _unprintable(_: Path) -> Sequence[str]:
    raise UnprintableError("it", found="this", expected="that", hint="Try again.")


def _raise(_: Path) -> Sequence[str]:
    raise KeyError("missing")


def _panic(_: Path) -> Sequence[str]:
    raise Panic("at the disco")


def _exit(_: Path) -> Sequence[str]:
    sys.exit(0)


def _die(_: Path) -> Sequence[str]:
    os._exit(7)


def _crash(_: Path) -> Sequence[str]:
    ctypes.string_at(0)
    return ()


def _sleep(_: Path) -> Sequence[str]:
    time.sleep(3600)
    return ()


def _allocate(_: Path) -> Sequence[str]:
    held = []
    while True:
        held.append(bytearray(MUCH // 8))
        held[-1][::4096] = b"\1" * len(held[-1][::4096])


def _briefly_allocate(_: Path) -> Sequence[str]:
    held = bytearray(SOME)
    held[::4096] = b"\1" * len(held[::4096])
    return ()


def _ask_too_much(_: Path) -> Sequence[str]:
    bytearray(2**60)
    return ()


def _leave(_: Path) -> Sequence[str]:
    Path(tempfile.mkdtemp()).joinpath("left").write_text("x")
    return ()


def _leave_at_home(_: Path) -> Sequence[str]:
    (Path.home() / ".left").write_text("x")
    return ()


def _change(folder: Path) -> Sequence[str]:
    next(folder.iterdir()).write_text("x")
    return ()


def _read_outside(folder: Path) -> Sequence[str]:
    (folder / ".." / "outside").read_bytes()
    return ()


def _connect(_: Path) -> Sequence[str]:
    import socket

    with socket.socket() as connection:
        connection.settimeout(1)
        # A port of this machine that nobody listens on.
        connection.connect_ex(("127.0.0.1", 9))
    return ()


def _change_and_refuse(folder: Path) -> Sequence[str]:
    shutil.rmtree(folder)
    return _refuse(folder)


def _target(run: Callable[[Path], Sequence[str]], *, writes: bool = False) -> Target:
    return Target(run, ("rows-csv",), {"bytes": ("**/*",)}, writes)


FAILING: dict[str, Target] = {
    name: _target(run)
    for name, run in {
        "accepts": _accept,
        "finds": _find,
        "refuses": _refuse,
        "unprintable": _unprintable,
        "raises": _raise,
        "panics": _panic,
        "exits": _exit,
        "dies": _die,
        "crashes": _crash,
        "sleeps": _sleep,
        "allocates": _allocate,
        "allocates-briefly": _briefly_allocate,
        "asks-too-much": _ask_too_much,
        "leaves": _leave,
        "leaves-at-home": _leave_at_home,
        "changes": _change,
        "reads-outside": _read_outside,
        "connects": _connect,
    }.items()
}
FAILING["writes"] = _target(_change, writes=True)
FAILING["writes-and-refuses"] = _target(_change_and_refuse, writes=True)
