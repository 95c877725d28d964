"""Standard streams that are closed or full, and destinations that cannot be written."""

import contextlib
import os
from collections.abc import Iterator
from functools import partial

from clampdown.cli.main import main

from . import typed
from .bench import Bench
from .forked import Ended, Forked
from .outcome import Outcome, Skipped, Trial, last_line, look, require_clean, require_told
from .scene import Command, Scene
from .small_disk import not_permitted, small_disk

NOBODY = 65534
TEXTS = 5000
"""More results than a pipe holds, so that a reader that goes is noticed."""

SILENT, TOLD, DONE = "silent", "told", "done"
STREAMS = (
    # What is closed, what runs, and what is right.
    ("| head -1", "run", SILENT),
    ("> /dev/full", "run", TOLD),
    (">&-", "run", DONE),
    ("> /dev/full", "inspect", TOLD),
    ("| true", "inspect", DONE),
    ("2> /dev/full", "run", DONE),
    ("2>&-", "run", DONE),
    ("<&-", "run", DONE),
    ("<&- >&- 2>&-", "threshold", DONE),
    ("<&- >&- 2>&-", "export", DONE),
    ("> /dev/full", "threshold", TOLD),
    ("| true", "threshold", DONE),
    ("2>&-", "export", DONE),
)
"""DONE: the work is whole and no traceback; TOLD: besides, status and message say that the result
could not be printed; SILENT: the reader went, which is no error worth a word."""


def trials(bench: Bench) -> Iterator[Trial | Skipped]:
    for redirection, name, right in STREAMS[:3] if bench.effort.quick else STREAMS:
        run = partial(_stream, bench, redirection, name, right)
        yield Trial(f"standard streams: {redirection}", name, right, run)
    for command in ("threshold",) if bench.effort.quick else ("threshold", "export"):
        if os.getuid() == 0:
            run = partial(_as_nobody, bench, command)
            yield Trial("destination of another user", command, "as nobody", run)
        if not not_permitted():
            yield Trial(
                "destination read-only", command, "mounted so", partial(_read_only, bench, command)
            )
    if not_permitted():
        yield Skipped("destination read-only", str(not_permitted()))
    if os.getuid():
        yield Skipped("destination of another user", "only root can become another one")


def _stream(bench: Bench, redirection: str, name: str, right: str) -> Outcome:
    scene = bench.scene("export" if name == "export" else "threshold")
    rows = scene.root / "rows.csv"
    rows.write_text("text\n" + "good film\n" * TEXTS)
    line = {
        "run": ("run", scene.place, "--input", rows),
        "inspect": ("inspect", scene.place),
    }.get(name, scene.line)
    ended = typed.redirected(line, redirection, scene.temporary)
    outcome = look(scene, ended)
    if name in ("run", "inspect"):
        outcome.wrong = [wrong for wrong in outcome.wrong if not wrong.startswith("status 0 and")]
        expected = "old"
    else:
        expected = "new"
    if outcome.state != expected:
        outcome.wrong.append(f"{outcome.state} at the place: {last_line(ended.stderr)}")
    require_clean(outcome)
    if right == SILENT and ended.stderr:
        outcome.wrong.append(f"not silent: {last_line(ended.stderr)}")
    if right == TOLD and (ended.status == 0 or "error: " not in ended.stderr):
        outcome.wrong.append(f"status {ended.status}: {last_line(ended.stderr)}")
    return outcome


def _refused(scene: Scene, ended: Ended) -> Outcome:
    outcome = look(scene, ended)
    require_clean(outcome)
    require_told(outcome, ended, scene.before)
    if ended.status != 2:
        outcome.wrong.append(f"status {ended.status}")
    return outcome


def _as_nobody(bench: Bench, command: Command) -> Outcome:
    scene = bench.scene(command)
    scene.temporary.chmod(0o777)

    def before() -> None:
        bench.spoil()
        # All modules are imported then: those of Python itself may be the owner's alone.
        warm = Scene(command, bench.originals, bench.folder / "warm").set_up()
        with contextlib.suppress(SystemExit):
            main([str(word) for word in warm.line], prog_name="clampdown")
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    # The folders above, which are the owner's alone, have to let another user pass.
    for folder in (scene.root, *scene.root.parents):
        if folder.is_relative_to(bench.folder):
            folder.chmod(0o755)
    return _refused(scene, Forked(scene.line, temporary=scene.temporary, before=before).ended())


def _read_only(bench: Bench, command: Command) -> Outcome:
    disk = small_disk(bench.folder / f"read only {command}")
    scene = Scene(command, bench.originals, disk.place, bench.folder / "roomy temporary").set_up()
    disk.read_only()
    ended = bench.run(scene)
    outcome = _refused(scene, ended)
    disk.writable()
    return outcome
