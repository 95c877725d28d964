"""Where a system cannot swap two folders: the old one is moved away before the new one comes."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from .bench import Bench
from .line_points import LinePoints, Point
from .outcome import Outcome, Skipped, Trial, look, require_clean
from .scene import Scene

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}
EXCHANGE = "folder_exchange.py"


def no_exchange() -> None:
    """As on a system that has no `renameat2`, or a file system that does not know it."""
    from clampdown_runtime.writing import folder_exchange

    folder_exchange._swapped = lambda _one, _other: False


def trials(bench: Bench) -> Iterator[Trial | Skipped]:
    without = replace(bench, spoil=partial(_both, bench.spoil))
    # Elsewhere the lines are those that are met with an exchange, too.
    points = [p for p in without.line_points("threshold") if Path(p.file).name == EXCHANGE]
    for number in (signal.SIGKILL, *STATUS):
        for point in bench.effort.some(points, 3, 100, f"two steps {number.name}"):
            run = partial(_at_line, without, number, point)
            yield Trial(f"{number.name} at a line, no exchange", "threshold", str(point), run)


def _both(spoil: Callable[[], None]) -> None:
    spoil()
    no_exchange()


def _at_line(bench: Bench, number: signal.Signals, point: Point) -> Outcome:
    scene = bench.scene("threshold")
    act = partial(_signal_self, number)
    ended = bench.run(scene, lambda: LinePoints(point.number, act).start())
    outcome = look(scene, ended, delivered=ended.status != 0)
    if number != signal.SIGKILL:
        require_clean(outcome)
        if ended.status != STATUS[number]:
            outcome.wrong.append(f"status {ended.status}")
    elif outcome.state == "nothing" and _kept(scene):
        # As the documentation has it: a kill between the two steps leaves the old one beside.
        outcome.wrong.remove("the old one is gone")
    return outcome


def _signal_self(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def _kept(scene: Scene) -> bool:
    """Whether the old one lies beside its place, whole; it is moved back, as a user would."""
    for path in scene.beside.iterdir():
        path.rename(scene.place)
        if scene.state() == "old":
            return True
        scene.place.rename(path)
    return False
