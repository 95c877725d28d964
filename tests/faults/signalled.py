"""SIGTERM and SIGINT: nothing is left, and the exit status says which it was."""

import os
import random
import signal
import time
from collections.abc import Iterator
from functools import partial

from .bench import Bench
from .forked import Ended
from .line_points import LinePoints
from .outcome import Outcome, Skipped, Trial, look, require_clean
from .scene import Command, Scene

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}
GAP = 0.003
"""Seconds in which a second signal follows: about as long as the removal of a bundle takes."""


def trials(bench: Bench) -> Iterator[Trial | Skipped]:
    effort = bench.effort
    for number in STATUS:
        for command, few, many in (
            *(("threshold", 3, 60), ("export", 0, 15), ("calibrate", 0, 8), ("serve", 0, 8)),
        ):
            if not bench.wants(command, few, many):
                continue
            name = f"{number.name} {command}"
            for moment in effort.moments(bench.duration(command), few, many, name):
                run = partial(_at_moment, bench, command, number, moment)
                yield Trial(f"{number.name} at a random moment", command, f"{moment:.4f} s", run)
        for command, few, many in (("threshold", 6, 200), ("export", 0, 30), ("serve", 0, 15)):
            if not bench.wants(command, few, many):
                continue
            points = bench.line_points(command)
            for point in effort.some(points, few, many, f"{number.name} {command}"):
                run = partial(_at_line, bench, command, number, point.number)
                yield Trial(f"{number.name} at a line", command, str(point), run)
        points = bench.line_points("threshold")
        for point in effort.some(points, 3, 60, f"twice {number.name}"):
            draw = random.Random(f"{effort.seed} {point.number}")  # noqa: S311
            gap = draw.uniform(0, GAP)
            run = partial(_twice, bench, "threshold", number, point.number, gap)
            what = f"{point}, again after {gap:.4f} s"
            yield Trial(f"{number.name} at a line, and again", "threshold", what, run)


def _at_moment(bench: Bench, command: Command, number: signal.Signals, moment: float) -> Outcome:
    scene = bench.scene(command)
    process = bench.start(scene)
    time.sleep(moment)
    process.signal(number)
    ended = process.ended()
    outcome = _judged(scene, ended, number, delivered=ended.status != 0)
    if ended.status == -number:
        # Before the command began there is nobody to handle it, which is as well.
        outcome.wrong = [wrong for wrong in outcome.wrong if "traceback" not in wrong]
    elif outcome.delivered and ended.status != STATUS[number]:
        outcome.wrong.append(f"status {ended.status}")
    return outcome


def _at_line(bench: Bench, command: Command, number: signal.Signals, line: int) -> Outcome:
    scene = bench.scene(command)
    fired = scene.root / "fired"
    fired.unlink(missing_ok=True)

    def act() -> None:
        fired.touch()
        os.kill(os.getpid(), number)

    ended = bench.run(scene, lambda: LinePoints(line, act).start())
    return _exact(_judged(scene, ended, number, delivered=fired.exists()), number)


def _twice(
    bench: Bench, command: Command, number: signal.Signals, line: int, gap: float
) -> Outcome:
    scene = bench.scene(command)
    read, write = os.pipe()

    def act() -> None:
        os.write(write, b"1")
        os.kill(os.getpid(), number)

    process = bench.start(scene, lambda: LinePoints(line, act).start())
    os.close(write)
    fired = os.read(read, 1) != b""
    os.close(read)
    time.sleep(gap)
    process.signal(number)
    outcome = _judged(scene, process.ended(), number, delivered=fired)
    # The second may come when the command is over and the handler is that of before.
    return outcome if outcome.status == -number else _exact(outcome, number)


def _judged(scene: Scene, ended: Ended, number: signal.Signals, *, delivered: bool) -> Outcome:
    outcome = look(scene, ended, delivered=delivered)
    require_clean(outcome)
    if ended.status in (STATUS[number], -number) and outcome.state == "new":
        # It came after the new one had taken its place; that cannot be undone without a risk.
        return outcome
    if ended.status and outcome.state != scene.before:
        outcome.wrong.append(f"status {ended.status} and {outcome.state} at the place")
    return outcome


def _exact(outcome: Outcome, number: signal.Signals) -> Outcome:
    if not outcome.delivered:
        outcome.wrong.append("the line was not reached")
    elif outcome.status != STATUS[number]:
        outcome.wrong.append(f"status {outcome.status}")
    return outcome
