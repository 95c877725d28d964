"""Signals to the command as a user types it: its start, of seconds, is part of it."""

import signal
import time
from collections.abc import Iterator
from functools import partial

from . import typed
from .bench import Bench
from .outcome import Outcome, Skipped, Trial, last_line, look, require_clean

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}


def trials(bench: Bench) -> Iterator[Trial | Skipped]:
    if bench.effort.quick:
        yield Skipped("signals to a real process", "it takes seconds to start; `make faults` does")
        return
    longest = _duration(bench)
    for number in (signal.SIGKILL, *STATUS):
        for moment in bench.effort.moments(longest, 0, 5, f"typed {number.name}"):
            run = partial(_signalled, bench, number, moment)
            yield Trial(f"{number.name} to a real process", "threshold", f"{moment:.3f} s", run)
    if bench.wants("serve", 0, 1):
        for number in STATUS:
            run = partial(_serving, bench, number)
            yield Trial(f"{number.name} to a real process", "serve", "while it serves", run)


def _serving(bench: Bench, number: signal.Signals) -> Outcome:
    """The page's server, which runs until it is ended."""
    scene = bench.scene("threshold")
    process = typed.start(("serve", scene.place, "--port", 0), scene.temporary)
    address = process.stdout.readline()
    process.send_signal(number)
    ended = typed.ended(process)
    outcome = look(scene, ended, delivered=address.startswith("http"))
    require_clean(outcome)
    if ended.status != STATUS[number] or not outcome.delivered:
        outcome.wrong.append(f"status {ended.status}: {last_line(ended.stderr)}")
    return outcome


def _duration(bench: Bench) -> float:
    scene, started = bench.scene("threshold"), time.monotonic()
    typed.ended(typed.start(scene.line, scene.temporary)).require(0)
    return time.monotonic() - started


def _signalled(bench: Bench, number: signal.Signals, moment: float) -> Outcome:
    scene = bench.scene("threshold")
    process = typed.start(scene.line, scene.temporary)
    time.sleep(moment)
    process.send_signal(number)
    ended = typed.ended(process)
    outcome = look(scene, ended, delivered=ended.status != 0)
    if number == signal.SIGKILL:
        return outcome
    require_clean(outcome)
    if ended.status == -number:
        # Python's own words, while it still imports: the command has not begun.
        outcome.wrong = [wrong for wrong in outcome.wrong if "traceback" not in wrong]
    elif outcome.delivered and ended.status != STATUS[number]:
        outcome.wrong.append(f"status {ended.status}: {last_line(ended.stderr)}")
    return outcome
