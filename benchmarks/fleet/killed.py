"""A run on Ray of which first a worker and then the driver is killed, and that is begun again."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.fleet.processes import resident, workers

_POLL = 0.25
"""Seconds: to look at all processes takes milliseconds, of two cores that are busy."""
_PATIENT = {"RAY_agent_register_timeout_ms": "300000", "RAY_raylet_start_wait_time_s": "300"}
"""On a busy machine Ray's agent takes longer to start than the half minute that it is given."""


@dataclass
class Run:
    """One driver from its start to its end.

    Attributes:
        status: what it ended with.
        memory: by the number of finished files, the most bytes that a worker had.
        finished: when each file was written (``time.time``) since there are workers. Before, those
            of a driver that was killed finish what they had.
    """

    status: int = 0
    memory: dict[int, int] = field(default_factory=dict)
    finished: list[float] = field(default_factory=list)


def run_with_kills(bundle: Path, source: Path, out: Path, count: int) -> list[Run]:
    """Score with two workers, and kill one in the first third and the driver in the second.

    Args:
        bundle: its folder.
        source: of the input files.
        out: a new folder.
        count: how many files there are.

    Returns:
        The run that was killed, and the one that continued it.
    """

    def disturb(process: subprocess.Popen[bytes]) -> Iterator[None]:
        while len(_files(out)) < count // 3 or not workers(process.pid):
            yield
        os.kill(workers(process.pid)[0], signal.SIGKILL)
        while len(_files(out)) < 2 * count // 3:
            yield
        process.kill()

    first = _run(bundle, source, out, disturb)
    return [first, _run(bundle, source, out, lambda _: iter(()))]


def _run(
    bundle: Path,
    source: Path,
    out: Path,
    disturb: Callable[[subprocess.Popen[bytes]], Iterator[None]],
) -> Run:
    code = "from clampdown.cli.main import main; main()"
    options = ("--input", str(source / "*.parquet"), "--out", str(out), "--engine", "ray")
    process = subprocess.Popen(
        [sys.executable, "-c", code, "score", str(bundle), *options, "--workers", "2"],
        env={**os.environ, **_PATIENT},
    )
    run, disturbed, begun = Run(), disturb(process), math.inf
    while process.poll() is None:
        next(disturbed, None)
        done = len(_files(out))
        working = workers(process.pid)
        if working:
            begun = min(begun, time.time())
        peak = max(map(resident, working), default=0)
        run.memory[done] = max(run.memory.get(done, 0), peak)
        time.sleep(_POLL)
    run.status = process.returncode
    written = sorted((out / name).stat().st_mtime for name in _files(out))
    run.finished = [moment for moment in written if moment > begun]
    return run


def _files(out: Path) -> list[str]:
    return [path.name for path in out.glob("*.parquet")]
