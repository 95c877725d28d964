"""Acts at one exact line of the code that writes, which random moments would seldom meet.

A signal can come between any two lines. The lines watched are those of the project's code that
makes, moves and removes folders, and those of the standard library that they call. Those of
tempfile are not: it tries the temporary folder with a file of its own, which a kill leaves there.
"""

import contextlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FrameType

import clampdown_runtime.writing

_WRITING = Path(clampdown_runtime.writing.__file__).parent
_OWN = {str(path) for path in _WRITING.glob("*.py")} | {
    import_module(name).__file__
    for name in (
        "clampdown.cli.commands.serve",
        "clampdown.cli.commands.threshold",
        "clampdown_calib.artefact",
        "clampdown_exporter.bundle.move_threshold",
        "clampdown_exporter.bundle.ort_format",
        "clampdown_exporter.run_export",
    )
}
_LIBRARY = {module.__file__ for module in (contextlib, shutil)}
_DEPTH = 6
"""Callers that are asked whether the library works for our code: rmtree calls itself."""


@dataclass(frozen=True)
class Point:
    """The ``number``-th line that is run, and where it is."""

    number: int
    file: str
    line: int

    def __str__(self) -> str:
        return f"line {self.number} ({Path(self.file).name}:{self.line})"


@dataclass
class LinePoints:
    """Counts the lines, and acts before the one with the given number.

    Attributes:
        at: its number; 0 for none.
        act: what is done.
        seen: every line so far.
    """

    at: int = 0
    act: Callable[[], None] = lambda: None
    seen: list[tuple[str, int]] = field(default_factory=list)

    def start(self) -> None:
        sys.settrace(self._called)

    def write(self, path: Path) -> None:
        path.write_text("".join(f"{file}\t{line}\n" for file, line in self.seen))

    def _called(self, frame: FrameType, _event: str, _value: object) -> object:
        file = frame.f_code.co_filename
        if file in _OWN or (file in _LIBRARY and _works_for_us(frame)):
            return self._line
        return None

    def _line(self, frame: FrameType, event: str, _value: object) -> object:
        if event == "line":
            self.seen.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.seen) == self.at:
                self.act()
        return self._line


def _works_for_us(frame: FrameType) -> bool:
    caller = frame.f_back
    for _ in range(_DEPTH):
        if caller is None:
            return False
        file = caller.f_code.co_filename
        if file in _OWN:
            return True
        if file not in _LIBRARY:
            return False
        caller = caller.f_back
    return False


def read_points(path: Path) -> list[Point]:
    """Where to act: of every line the first time and the last time that it is run."""
    seen = [line.split("\t") for line in path.read_text().splitlines()]
    points = [Point(number, file, int(line)) for number, (file, line) in enumerate(seen, 1)]
    first = {(point.file, point.line): point for point in reversed(points)}
    last = {(point.file, point.line): point for point in points}
    return sorted({*first.values(), *last.values()}, key=lambda point: point.number)
