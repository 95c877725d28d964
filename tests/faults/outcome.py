"""What a trial found, and what of it is wrong."""

from collections.abc import Callable
from dataclasses import dataclass, field

from .forked import HUNG, Ended
from .scene import Scene, State


@dataclass
class Outcome:
    """What was found after a trial.

    ``delivered`` is false when the command ended before the fault came. Leftovers count what is
    there; whether they are wrong depends on the fault. ``later`` is what is there after the next
    run, where there was one; ``counts`` what several processes saw.
    """

    state: State
    beside: tuple[str, ...]
    temporary: tuple[str, ...]
    status: int
    delivered: bool = True
    later: "Outcome | None" = None
    counts: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trial:
    """One fault: its kind, the command, which of its kind it is, and how it is tried."""

    kind: str
    command: str
    what: str
    run: Callable[[], Outcome]


@dataclass(frozen=True)
class Skipped:
    """A kind that cannot be tried here."""

    kind: str
    reason: str


def look(scene: Scene, ended: Ended, *, delivered: bool = True) -> Outcome:
    """What is there after a command, with what is wrong whatever the fault was."""
    outcome = Outcome(
        scene.state(), scene.left_beside(), scene.left_in_temporary(), ended.status, delivered
    )
    if outcome.state == "half-written":
        outcome.wrong.append("half-written")
    if outcome.state != "new" and ended.status == 0:
        outcome.wrong.append(f"status 0 and {outcome.state} at the place")
    if scene.before == "old" and outcome.state == "nothing":
        outcome.wrong.append("the old one is gone")
    if "Traceback" in ended.stderr or "Exception ignored" in ended.stderr:
        outcome.wrong.append(f"a traceback: {last_line(ended.stderr)}")
    if ended.stderr == HUNG:
        outcome.wrong.append("it hung")
    return outcome


def require_clean(outcome: Outcome) -> None:
    """Leftovers are wrong."""
    if outcome.beside:
        outcome.wrong.append(f"left beside: {', '.join(outcome.beside)}")
    if outcome.temporary:
        outcome.wrong.append(f"left in the temporary folder: {', '.join(outcome.temporary)}")


def require_told(outcome: Outcome, ended: Ended, before: State) -> None:
    """A command that fails by itself says so by status 2 and one error, and has changed nothing."""
    if ended.status not in (0, 2):
        outcome.wrong.append(f"status {ended.status}: {last_line(ended.stderr)}")
    if ended.status and outcome.state != before:
        outcome.wrong.append(f"status {ended.status} and {outcome.state} at the place")
    if ended.status == 2 and "error: " not in ended.stderr:
        outcome.wrong.append("status 2 and no error")


def last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[-1][:200] if lines else "nothing"
