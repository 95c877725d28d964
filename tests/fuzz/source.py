"""The choices of one mutant."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Source(random.Random):
    """Random choices that the name of a mutant decides.

    Attributes:
        outside: a file beside the mutant's folder, which nothing may open.
    """

    outside: Path

    @classmethod
    def of(cls, name: str, outside: Path) -> "Source":
        """The source of a mutant's name."""
        # A string is hashed in full and alike in every process, unlike other objects.
        source = cls(name)
        source.outside = outside
        return source

    def some(self, things: Sequence[T], most: int) -> list[T]:
        """Between one and ``most`` of things, in their order."""
        count = min(len(things), self.randint(1, most))
        chosen = sorted(self.sample(range(len(things)), count))
        return [things[index] for index in chosen]

    def once_in(self, count: int) -> bool:
        """True once in so many times."""
        return self.randrange(count) == 0
