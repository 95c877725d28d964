"""Calls of the system that fail once: renames, flushes, locks, new folders, removals."""

import errno
import json
from collections import Counter
from collections.abc import Iterator
from functools import partial

from .bench import Bench
from .failing_calls import CALLS, REMOVALS, FailingCalls
from .forked import Forked
from .outcome import Outcome, Skipped, Trial, look, require_clean, require_told
from .scene import Command
from .two_steps import no_exchange

ERRORS = {
    "rename": (errno.EIO, errno.EXDEV, errno.EPERM),
    "replace": (errno.EIO, errno.EXDEV, errno.EPERM),
    "renameat2": (errno.EIO, errno.EXDEV, errno.EPERM, errno.ENOSYS, errno.EINVAL),
    "flock": (errno.EIO, errno.ENOLCK, errno.ENOTSUP),
    "open": (errno.EIO, errno.EMFILE),
    "open to write": (errno.EIO, errno.EMFILE, errno.EROFS),
}
USUAL = (errno.EIO, errno.EPERM)


def trials(bench: Bench) -> Iterator[Trial | Skipped]:
    for command, few, many in (("threshold", 1, 30), ("export", 0, 3)):
        if not bench.wants(command, few, many):
            continue
        for two_steps in (False, True) if command == "threshold" else (False,):
            seen = _seen(bench, command, two_steps=two_steps)
            for name in CALLS:
                # In two steps only the renames are others.
                if two_steps and name != "rename":
                    continue
                points = [
                    (number, error)
                    for number in range(1, seen[name] + 1)
                    for error in ERRORS.get(name, USUAL)
                ]
                label = f"{command} {name} {two_steps}"
                for number, error in bench.effort.some(points, few, many, label):
                    run = partial(_broken, bench, command, name, number, error, two_steps)
                    kind = f"{name} fails once" + (", no exchange" if two_steps else "")
                    yield Trial(kind, command, f"call {number}: {errno.errorcode[error]}", run)


def _seen(bench: Bench, command: Command, *, two_steps: bool) -> Counter[str]:
    """How often each is called without a fault."""
    scene, found = bench.scene(command), bench.folder / "calls"

    def work() -> None:
        import clampdown.cli.main

        calls = FailingCalls(scene.root)
        if two_steps:
            no_exchange()
        calls.start()
        try:
            clampdown.cli.main.main([str(word) for word in scene.line], prog_name="clampdown")
        finally:
            found.write_text(json.dumps(calls.seen))

    Forked(work, temporary=scene.temporary, before=bench.spoil).ended().require(0)
    return Counter(json.loads(found.read_text()))


def _broken(
    bench: Bench, command: Command, name: str, number: int, error: int, two_steps: bool
) -> Outcome:
    scene = bench.scene(command)
    mark = bench.folder / "broken"
    mark.unlink(missing_ok=True)

    class Marking(FailingCalls):
        def _count(self, called: str) -> None:
            try:
                super()._count(called)
            except OSError:
                mark.touch()
                raise

    def before() -> None:
        if two_steps:
            no_exchange()
        Marking(scene.root, name, number, error).start()

    ended = bench.run(scene, before)
    outcome = look(scene, ended, delivered=mark.exists())
    if not outcome.delivered:
        outcome.wrong.append("the call was not reached")
    # What cannot be removed stays; that it is said to be removed would be wrong.
    if name not in REMOVALS:
        require_clean(outcome)
    elif (outcome.beside or outcome.temporary) and "nothing was left" in ended.stderr:
        outcome.wrong.append("it says that nothing was left")
    require_told(outcome, ended, scene.before)
    return outcome
