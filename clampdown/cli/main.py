"""The entry point `clampdown`: its commands, and what an error of each kind looks like."""

import errno
import io
import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import IO, Any

import click

import clampdown
from clampdown.cli.commands.adapt import adapt
from clampdown.cli.commands.bench import bench
from clampdown.cli.commands.calibrate import calibrate
from clampdown.cli.commands.defend import defend
from clampdown.cli.commands.demo import demo
from clampdown.cli.commands.doctor import doctor
from clampdown.cli.commands.evaluate import evaluate
from clampdown.cli.commands.export import export
from clampdown.cli.commands.inspect import inspect
from clampdown.cli.commands.integrate import integrate
from clampdown.cli.commands.monitor import monitor
from clampdown.cli.commands.run import run
from clampdown.cli.commands.score import score
from clampdown.cli.commands.serve import serve
from clampdown.cli.commands.sign import sign
from clampdown.cli.commands.threshold import threshold
from clampdown.cli.commands.verify import verify
from clampdown.cli.output import several_lines
from clampdown_runtime.errors import ClampdownError, ClampdownWarning, DestinationError
from clampdown_runtime.writing.interrupts import interrupt

INTERRUPTED, TERMINATED = 130, 143
_UNWINDING_SECONDS = 5
"""Within them whatever is half-written has been removed. Later a signal ends what still runs, since
Python can have lost the first one in a place where it drops exceptions."""

_INTERRUPTED = "interrupted; nothing was left behind"

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


class _Failure(click.ClickException):
    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"error: {several_lines(self.message)}", file=file, err=True)


class _Commands(click.Group):
    """Lists the commands in the order in which they are needed and turns errors into messages."""

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - as click has it
        _occupy_standard_streams()
        # Labels and texts are of any language, and results are read by programs: the encoding does
        # not depend on the machine. Surrogates, as in names of files, are escaped.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        with _ended_by_one_signal():
            return super().main(*args, **extra)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        # A warning is raised where Python is told to: -W error.
        except (ClampdownError, ClampdownWarning) as error:
            raise _Failure(str(error)) from error
        except KeyboardInterrupt:
            click.echo(_INTERRUPTED, err=True)
            ctx.exit(INTERRUPTED)
        except OSError as error:
            # A closed pipe is no error: click ends in silence.
            if error.errno == errno.EPIPE:
                raise
            raise _Failure(str(_refused(error))) from error


def _occupy_standard_streams() -> None:
    """Open what the caller has closed: a file of ours would take its number and what is printed."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))


@contextmanager
def _ended_by_one_signal() -> Iterator[None]:
    """Let Ctrl-C or SIGTERM unwind what is under way, so that nothing is left behind.

    Others soon after it would interrupt the unwinding, and are ignored; so are they as the process
    ends.
    """
    ended = -math.inf

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal ended
        before, ended = ended, time.monotonic()
        if ended - before > _UNWINDING_SECONDS:
            # Not KeyboardInterrupt, of which click makes its own status where it parses.
            interrupt(SystemExit(INTERRUPTED if number == signal.SIGINT else TERMINATED))

    before: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, end)
    except ValueError:
        # Another thread than the main one, which signals do not reach.
        yield
        return
    try:
        yield
    except SystemExit as error:
        if error.code == INTERRUPTED and ended > -math.inf:
            click.echo(_INTERRUPTED, err=True)
        raise
    finally:
        # Ended by a signal the process ends next, which another one must not interrupt either.
        if ended == -math.inf:
            for number, handler in before.items():
                signal.signal(number, handler)


def _refused(error: OSError) -> ClampdownError:
    thing, found = str(error.filename or "a file"), error.strerror or str(error)
    if error.errno in _UNWRITABLE:
        return DestinationError(
            thing,
            found=found,
            expected="a place with free space that can be read and written",
            hint="Free some space or give yourself permission; nothing half-written was left.",
        )
    return ClampdownError(
        thing,
        found=found,
        expected="what the system can open, read and write",
        hint="Check the path and the disk; nothing half-written was left behind.",
    )


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"clampdown {clampdown.__version__}")
        ctx.exit()


@click.group(
    cls=_Commands,
    context_settings={"show_default": True, "help_option_names": ["-h", "--help"]},
    epilog="Exit status: 0 done; 1 verify found a difference, monitor an alarm, inspect something "
    "to review, score rows without a text, or doctor nothing usable; 2 an error; 130 interrupted; "
    "143 terminated.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    show_default=False,
    help="Print the version and exit.",
)
def main() -> None:
    """Turn a classifier that may carry a backdoor into one ONNX file that defends itself."""


for _command in (
    defend,
    calibrate,
    export,
    run,
    score,
    evaluate,
    monitor,
    adapt,
    inspect,
    threshold,
    verify,
    sign,
    bench,
    serve,
    integrate,
    doctor,
    demo,
):
    main.add_command(_command)
