"""SIGKILL: there is always one whole bundle, and the next run removes what is left."""

import os
import signal
import time
from collections.abc import Iterator
from functools import partial

from .bench import Bench
from .forked import Ended, Forked
from .line_points import LinePoints
from .outcome import Outcome, Skipped, Trial, look
from .scene import Command, Scene

KIND_MOMENT, KIND_LINE = "SIGKILL at a random moment", "SIGKILL at a line"


def trials(bench: Bench) -> Iterator[Trial | Skipped]:
    for command, few, many in (("threshold", 3, 80), ("export", 1, 20), ("calibrate", 0, 8)):
        if not bench.wants(command, few, many):
            continue
        moments = bench.effort.moments(bench.duration(command), few, many, f"kill {command}")
        for moment in moments:
            run = partial(_at_moment, bench, command, moment)
            yield Trial(KIND_MOMENT, command, f"after {moment:.4f} s", run)
    for command, few, many in (("threshold", 5, 150), ("export", 0, 25)):
        if not bench.wants(command, few, many):
            continue
        points = bench.line_points(command)
        for point in bench.effort.some(points, few, many, f"kill {command}"):
            run = partial(_at_line, bench, command, point.number)
            yield Trial(KIND_LINE, command, str(point), run)


def _at_moment(bench: Bench, command: Command, moment: float) -> Outcome:
    scene = bench.scene(command)
    process = bench.start(scene)
    time.sleep(moment)
    process.signal(signal.SIGKILL)
    return _judged(bench, scene, process.ended())


def _at_line(bench: Bench, command: Command, number: int) -> Outcome:
    scene = bench.scene(command)

    def before() -> None:
        LinePoints(number, partial(os.kill, os.getpid(), signal.SIGKILL)).start()

    outcome = _judged(bench, scene, bench.run(scene, before))
    if not outcome.delivered:
        outcome.wrong.append("the line was not reached")
    return outcome


def _judged(bench: Bench, scene: Scene, ended: Ended) -> Outcome:
    outcome = look(scene, ended, delivered=ended.status == -signal.SIGKILL)
    again = _next_line(scene, outcome)
    if again:
        run = Forked(again, temporary=scene.temporary, before=bench.spoil).ended()
        outcome.later = look(scene, run)
        outcome.wrong += [f"next run: {wrong}" for wrong in outcome.later.wrong]
        if run.status:
            outcome.wrong.append(f"next run: status {run.status}: {run.stderr[:200]}")
        left = (*outcome.later.beside, *outcome.later.temporary)
        if left:
            outcome.wrong.append(f"left after the next run: {', '.join(left)}")
    return outcome


def _next_line(scene: Scene, outcome: Outcome) -> tuple[object, ...] | None:
    """The same command again; of a bundle that is there already, one that rewrites it."""
    if scene.command == "threshold" or outcome.state == "nothing":
        return scene.line
    if scene.command == "export" and outcome.state == "new":
        return ("threshold", scene.place, "--frr", "0.2")
    return None
