"""The process in which mutants are fed to targets."""

import faulthandler
import os
import shutil
import signal
import time
import traceback
import warnings
from multiprocessing.connection import Connection
from pathlib import Path

from clampdown_runtime.errors import ClampdownError
from tests.fuzz.failing import FAILING
from tests.fuzz.mutant import TREE, Mutant, make
from tests.fuzz.outcome import Outcome
from tests.fuzz.outside import ForbiddenEvents, OpenedFile, listing
from tests.fuzz.places import Places
from tests.fuzz.targets import TARGETS, Target

PACKAGES = ("/clampdown_runtime/", "/clampdown_calib/", "/clampdown_exporter/", "/clampdown/")
_SHOWN = 300
"""Characters of a message: some hold whole files."""

_FRAMES = 40
"""Of a traceback: enough to see the cause behind a chain of exceptions."""


def serve(connection: Connection, places: Places) -> None:
    """Answer mutants with outcomes until None comes or the process dies."""
    _prepare(places)
    opened, forbidden = OpenedFile(places.outside), ForbiddenEvents()
    while (mutant := connection.recv()) is not None:
        try:
            outcome = _attempt(mutant, places, opened, forbidden)
        except Exception:  # the fuzzer's own, for whoever waits
            connection.send(traceback.format_exc())
        else:
            connection.send(outcome)


def write_specimens(places: Places) -> None:
    """Make the valid folders, in a process that has the packages for it."""
    from tests.fuzz.specimens import make_specimens

    _redirect(places)
    make_specimens(places.specimens)


def _prepare(places: Places) -> None:
    _redirect(places)
    trace = places.trace.open("w")
    faulthandler.enable(trace)
    faulthandler.register(signal.SIGUSR1, trace)
    # One thread for each operator, and a core left for whoever watches.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    warnings.simplefilter("ignore")


def _redirect(places: Places) -> None:
    """What libraries print belongs into a file."""
    log = os.open(places.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)


def _attempt(
    mutant: Mutant, places: Places, opened: OpenedFile, forbidden: ForbiddenEvents
) -> Outcome:
    target = (TARGETS | FAILING)[mutant.target]
    shutil.rmtree(places.folder, ignore_errors=True)
    changed = make(mutant, target, places.specimens, places.folder, places.outside)
    places.changed.write_text(changed)
    before = listing(places.watched)
    opened.seen()
    forbidden.seen()
    start, had = time.perf_counter(), _start_of_peak()
    kind, detail, place, trace = _run(target, places.folder)
    seconds, grown = time.perf_counter() - start, _memory("VmHWM") - had
    reached = forbidden.seen()
    if opened.seen() and not (target.follows and mutant.mutator == TREE):
        reached.append("a file outside")
    after = listing(places.watched)
    left = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    if kind == "ok" and target.writes:
        own = places.folder.relative_to(places.watched)
        left = {name for name in left if not Path(name).is_relative_to(own)}
    return Outcome(
        kind, detail, place, trace, tuple(sorted(left)), tuple(reached), changed, seconds, grown
    )


def _run(target: Target, folder: Path) -> tuple[str, str, str, str]:
    """The kind of the outcome, its detail, place and traceback."""
    try:
        found = "; ".join(target.run(folder))
        return ("refused" if found else "ok", found[:_SHOWN], "", "")
    except ClampdownError as error:
        try:
            str(error).encode()
        except UnicodeEncodeError:
            return ("foreign", "a message that cannot be printed", _place(error), _trace(error))
        return ("refused", _described(error), "", "")
    except MemoryError as error:
        return ("memory", _described(error), _place(error), _trace(error))
    # Panics of Rust and exits are no Exception.
    except BaseException as error:
        return ("foreign", _described(error), _place(error), _trace(error))


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:_SHOWN]}".encode(errors="replace").decode()


def _place(error: BaseException) -> str:
    """The innermost frame in the product's own code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if any(name in frame.filename for name in PACKAGES)]
    if not own:
        return ""
    package, _, rest = own[-1].filename.rpartition("/clampdown")
    return f"clampdown{rest} {own[-1].name}:{own[-1].lineno}" if package else ""


def _trace(error: BaseException) -> str:
    lines = traceback.format_exception(error, limit=-_FRAMES)
    return "".join(lines)[-20_000:].encode(errors="replace").decode()


def _start_of_peak() -> int:
    """Begins to measure the peak of memory anew; returns what there is now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))
