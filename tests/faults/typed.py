"""The command as a user types it, in an interpreter of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from .forked import HUNG, LONGEST, Ended

_PROGRAM = (
    # A process that was started in the background ignores the signal, and so would this one.
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from clampdown.cli.main import main; main()"
)
COMMAND = (sys.executable, "-c", _PROGRAM)
_ROOT = Path(__file__).resolve().parents[2]


def environment(temporary: Path) -> dict[str, str]:
    paths = (str(_ROOT / name) for name in ("", "calib", "exporter", "runtime"))
    return {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": os.pathsep.join(paths)}


def start(line: tuple[object, ...], temporary: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *map(str, line)],
        env=environment(temporary),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> Ended:
    try:
        out, err = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return Ended(process.returncode, "", HUNG)
    return Ended(process.returncode, out, err)


def redirected(line: tuple[object, ...], redirection: str, temporary: Path) -> Ended:
    """With a shell's redirection after it, such as ``>&-``; the status is the command's."""
    run = subprocess.run(
        [
            "bash",
            "-c",
            f'"$@" {redirection}; exit ${{PIPESTATUS[0]}}',
            "bash",
            *COMMAND,
            *map(str, line),
        ],
        env=environment(temporary),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    return Ended(run.returncode, run.stdout, run.stderr)
