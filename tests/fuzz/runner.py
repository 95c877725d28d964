"""Feeds mutants to a worker and watches it: time, memory, life."""

import contextlib
import dataclasses
import multiprocessing
import os
import re
import resource
import shutil
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path
from unittest.mock import patch

from tests.fuzz.mutant import Mutant
from tests.fuzz.outcome import Outcome
from tests.fuzz.places import Places, places
from tests.fuzz.worker import serve, write_specimens

SECONDS = 20.0
"""A hundred times what a mutant takes, so that a busy machine makes none a hang."""

MEMORY = 2**30
"""Bytes more than before: a thousand times the largest specimen with its sessions."""

LOOK = 0.02
"""Seconds between two looks at the memory: at some gigabytes a second little comes between."""

_FRAME = re.compile(r'File ".*/(clampdown[^"]*)", line (\d+) in (\S+)')

_STACK = 0.1
"""Seconds that a worker gets to write where it is before it is killed."""


class Runner:
    """One worker at a time, replaced when it dies; a context manager.

    Args:
        seconds: after which a mutant hangs.
        memory: bytes that a mutant may take more than the worker had before it.
        look: seconds between two looks at the memory.
    """

    def __init__(
        self, *, seconds: float = SECONDS, memory: int = MEMORY, look: float = LOOK
    ) -> None:
        self._seconds, self._memory, self._look = seconds, memory, look
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["tests.fuzz.warm"])
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        self._places = places()
        self.workers = 0
        if not self._places.specimens.exists():
            self._make_specimens()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(None)
        self._end()

    def attempt(self, mutant: Mutant) -> Outcome:
        """What comes of a mutant.

        Raises:
            RuntimeError: the mutant cannot be made.
        """
        if self._process is None:
            self._start()
        had = _resident(self._process.pid)
        start = time.monotonic()
        self._connection.send(mutant)
        while not self._connection.poll(self._look):
            taken = _resident(self._process.pid) - had
            if taken > self._memory:
                return self._ended("memory", f"{taken >> 20} MiB", start, taken)
            if time.monotonic() - start > self._seconds:
                return self._ended("hang", f"over {self._seconds:g} s", start, taken)
        try:
            outcome: Outcome | str = self._connection.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            return self._ended("crash", _death(self._process.exitcode), start, 0)
        if isinstance(outcome, str):
            raise RuntimeError(f"the fuzzer itself failed on {mutant}:\n{outcome}")
        if outcome.kind != "memory" and outcome.grown > self._memory:
            detail = f"{outcome.grown >> 20} MiB, then {outcome.kind}"
            return dataclasses.replace(outcome, kind="memory", detail=detail)
        return outcome

    def _start(self) -> None:
        self._connection, theirs = self._context.Pipe()
        self._process = self._spawn(serve, theirs, self._places)
        theirs.close()
        self.workers += 1

    def _spawn(self, target: object, *arguments: object) -> multiprocessing.process.BaseProcess:
        process = self._context.Process(target=target, args=arguments, daemon=True)
        # The fork server, which the first process starts, hands its environment on.
        with _environment(self._places):
            process.start()
        return process

    def _make_specimens(self) -> None:
        process = self._spawn(write_specimens, self._places)
        process.join()
        if process.exitcode:
            log = self._places.log.read_text(errors="replace")
            raise RuntimeError(f"the specimens cannot be made:\n{log}")

    def _ended(self, kind: str, detail: str, start: float, grown: int) -> Outcome:
        """The outcome of a mutant that its worker does not survive."""
        seconds = time.monotonic() - start
        if kind != "crash":
            os.kill(self._process.pid, signal.SIGUSR1)
            time.sleep(_STACK)
        self._end(kill=True)
        trace = self._places.trace.read_text(errors="replace")
        changed = self._places.changed.read_text()
        return Outcome(
            kind,
            detail,
            _innermost(trace),
            trace,
            changed=changed,
            seconds=seconds,
            grown=grown,
        )

    def _end(self, *, kill: bool = False) -> None:
        if self._process is None:
            return
        if kill:
            self._process.kill()
        self._process.join()
        self._connection.close()
        self._process = self._connection = None
        # What a killed worker left is nobody's fault.
        _empty(self._places)


def _environment(places: Places) -> contextlib.AbstractContextManager[object]:
    """Home and temporary files where they are watched."""
    own = {"HOME": str(places.home), "TMPDIR": str(places.temporary)}
    # Both would move the caches of models out of the home folder.
    others = {name: "" for name in ("HF_HOME", "XDG_CACHE_HOME") if name in os.environ}
    return patch.dict(os.environ, own | others)


def _resident(process: int) -> int:
    """Bytes of memory that a process has; none when it is gone."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * resource.getpagesize()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit status {code}"


def _innermost(trace: str) -> str:
    """The innermost frame of the product in a stack that faulthandler wrote, innermost first."""
    found = next((m for m in _FRAME.finditer(trace) if "/fuzz/" not in m[0]), None)
    return f"{found[1]} {found[3]}:{found[2]}" if found else ""


def _empty(places: Places) -> None:
    for folder in (places.home, places.temporary):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    for path in places.watched.iterdir():
        if path not in (places.home, places.temporary, places.outside, places.folder):
            shutil.rmtree(path, ignore_errors=True)
