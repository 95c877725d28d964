"""What all kinds of faults share: the originals, where scenes are set up, and the effort."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from .effort import Effort
from .forked import Ended, Forked
from .line_points import LinePoints, Point, read_points
from .originals import Originals
from .scene import Command, Scene
from .spoiled import nothing_spoiled


@dataclass(frozen=True)
class Bench:
    """``spoil`` breaks the product in each process, to see that the checks can fail.

    ``only`` is the command to which the trials are confined, if they are.
    """

    originals: Originals
    folder: Path
    effort: Effort
    spoil: Callable[[], None] = nothing_spoiled
    only: Command | None = None

    def scene(self, command: Command) -> Scene:
        return Scene(command, self.originals, self.folder / "scene").set_up()

    def start(self, scene: Scene, before: Callable[[], None] = lambda: None) -> Forked:
        def prepare() -> None:
            self.spoil()
            before()

        return Forked(scene.line, temporary=scene.temporary, before=prepare)

    def run(self, scene: Scene, before: Callable[[], None] = lambda: None) -> Ended:
        return self.start(scene, before).ended()

    def wants(self, command: Command, few: int, many: int) -> bool:
        """Whether there are trials of a command; `serve` needs the page's client, built."""
        possible = command != "serve" or self.originals.site.exists()
        wanted = self.only in (None, command) and self.effort.count(few, many) > 0
        return possible and wanted

    def duration(self, command: Command) -> float:
        """Seconds that a command takes without a fault."""
        return _duration(replace(self, spoil=nothing_spoiled), command)

    def line_points(self, command: Command) -> list[Point]:
        """The lines at which a command can be met."""
        return _line_points(self, command)


@cache
def _duration(bench: Bench, command: Command) -> float:
    scene, started = bench.scene(command), time.monotonic()
    bench.run(scene).require(0)
    return time.monotonic() - started


@cache
def _line_points(bench: Bench, command: Command) -> list[Point]:
    scene, lines = bench.scene(command), bench.folder / "lines"

    def work() -> None:
        import clampdown.cli.main

        points = LinePoints()
        points.start()
        try:
            clampdown.cli.main.main([str(word) for word in scene.line], prog_name="clampdown")
        finally:
            points.write(lines)

    Forked(work, temporary=scene.temporary, before=bench.spoil).ended().require(0)
    return read_points(lines)
