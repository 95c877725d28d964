"""How many trials there are of each kind, and where: all draws come from one seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Point = TypeVar("Point")


@dataclass(frozen=True)
class Effort:
    """``quick``: a few of each kind, in the order of one suite run; else all that is worth it."""

    quick: bool
    seed: int

    def count(self, few: int, many: int) -> int:
        return few if self.quick else many

    def some(self, points: Sequence[Point], few: int, many: int, name: str) -> list[Point]:
        """At most so many of the points, drawn, in their order."""
        wanted = self.count(few, many)
        if len(points) <= wanted:
            return list(points)
        # A string seeds the same way in every process, unlike its hash.
        drawn = random.Random(f"{self.seed} {name}").sample(range(len(points)), wanted)  # noqa: S311
        return [points[index] for index in sorted(drawn)]

    def moments(self, longest: float, few: int, many: int, name: str) -> list[float]:
        """Seconds after the start, spread over a command's duration."""
        draw = random.Random(f"{self.seed} {name}")  # noqa: S311
        return [draw.uniform(0, longest) for _ in range(self.count(few, many))]
