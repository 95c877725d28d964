"""One command in a forked process: the packages, which take seconds, are imported once for all."""

import atexit
import contextlib
import gc
import os
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from clampdown.cli.main import main

LONGEST = 120.0
"""Seconds after which a process counts as hung: the slowest takes ten on a busy machine."""

HUNG = "hung"


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    ``status`` is negative for the signal that ended it, as in :mod:`subprocess`.
    """

    status: int
    stdout: str
    stderr: str

    def require(self, status: int) -> "Ended":
        if self.status != status:
            raise RuntimeError(f"status {self.status}: {self.stdout}{self.stderr}")
        return self


class Forked:
    """A command, or a function, that runs in a fork of this process.

    Args:
        work: the arguments of `clampdown`, or the function.
        temporary: its TMPDIR.
        before: called in the new process, before the work: where faults are prepared.
    """

    def __init__(
        self,
        work: Sequence[object] | Callable[[], None],
        *,
        temporary: Path,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        self._read = {}
        ends = {number: os.pipe() for number in (1, 2)}
        begun, begin = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if not self.pid:
            written = {number: end for number, (_, end) in ends.items()}
            _child(work, temporary, partial(_begin, begin, before), written)
        os.close(begin)
        # A signal that comes earlier meets the fork and not the command.
        os.read(begun, 1)
        os.close(begun)
        for number, (read, write) in ends.items():
            os.close(write)
            self._read[number] = read
        self._handle = os.pidfd_open(self.pid)

    def signal(self, number: int) -> bool:
        """Send a signal; False when the process has ended already."""
        try:
            signal.pidfd_send_signal(self._handle, number)
        except ProcessLookupError:
            return False
        return not select.select([self._handle], [], [], 0)[0]

    def ended(self) -> Ended:
        """Wait for its end and read what it printed."""
        texts = self._read_all()
        if texts is None:
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        for descriptor in (self._handle, *self._read.values()):
            os.close(descriptor)
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, *texts) if texts else Ended(code, "", HUNG)

    def _read_all(self) -> tuple[str, str] | None:
        parts: dict[int, list[bytes]] = {1: [], 2: []}
        open_ends = {end: number for number, end in self._read.items()}
        until = time.monotonic() + LONGEST
        while open_ends:
            ready = select.select(list(open_ends), [], [], max(0, until - time.monotonic()))[0]
            if not ready:
                return None
            for end in ready:
                data = os.read(end, 1 << 16)
                if data:
                    parts[open_ends[end]].append(data)
                else:
                    del open_ends[end]
        out, err = (b"".join(parts[number]).decode(errors="replace") for number in (1, 2))
        return out, err


def _child(
    work: Sequence[object] | Callable[[], None],
    temporary: Path,
    before: Callable[[], None],
    ends: dict[int, int],
) -> None:
    """Run the work and end as an interpreter would; never returns."""
    status = 1
    try:
        for number, end in ends.items():
            os.dup2(end, number)
            os.close(end)
        sys.stdout, sys.stderr = (
            open(number, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            for number in (1, 2)
        )
        os.environ["TMPDIR"], tempfile.tempdir = str(temporary), None
        # A process that was started in the background ignores it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        status = _run(work, before)
        sys.settrace(None)
        # The command is over; what an interpreter does with a signal while it ends is its own.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        atexit._run_exitfuncs()
        # An interpreter that ends does so, too: what a generator left undone is done then.
        gc.collect()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException:
        with contextlib.suppress(Exception):
            traceback.print_exc()
            sys.stderr.flush()
    finally:
        # Nothing of the process that was forked, such as the removal of its folders, may follow.
        os._exit(status)


def _begin(begin: int, before: Callable[[], None]) -> None:
    os.write(begin, b"1")
    os.close(begin)
    before()


def _run(work: Sequence[object] | Callable[[], None], before: Callable[[], None]) -> int:
    try:
        before()
        if callable(work):
            work()
        else:
            main([str(argument) for argument in work], prog_name="clampdown")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        # As Python ends where nobody has caught it.
        traceback.print_exc()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
