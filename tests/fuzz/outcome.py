"""What came of a mutant."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["ok", "refused", "foreign", "crash", "hang", "memory"]

BAD: tuple[Kind, ...] = ("foreign", "crash", "hang", "memory")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a mutant.

    Attributes:
        kind: ``ok``: accepted; ``refused`` with one of Clampdown's own errors; ``foreign``: any
            other exception; ``crash``: the process died; ``hang``: it took too long; ``memory``: it
            took too much.
        detail: the exception, the signal or the sizes.
        place: the innermost function of the package in which it happened, with its line.
        trace: the traceback, where there is one.
        left: what was written that should not have been.
        reached: what was opened outside the folder, connected to, or started.
        changed: the specimen and the file that was changed.
        seconds: it took.
        grown: bytes of memory at most, over what the process had before.
    """

    kind: Kind
    detail: str = ""
    place: str = ""
    trace: str = ""
    left: tuple[str, ...] = field(default=())
    reached: tuple[str, ...] = field(default=())
    changed: str = ""
    seconds: float = 0.0
    grown: int = 0

    @property
    def bad(self) -> bool:
        """Whether no mutant may have this outcome."""
        return self.kind in BAD or bool(self.left or self.reached)

    @property
    def signature(self) -> tuple[str, ...]:
        """What outcomes have in common that have one cause, as far as can be told."""
        return (
            self.kind,
            self.detail.split(":", 1)[0],
            self.place.rpartition(":")[0],
            *sorted({name.rsplit("/", 1)[-1].split("-")[0] for name in self.left}),
            *sorted(set(self.reached)),
        )
