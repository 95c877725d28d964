"""A full disk, at every page and at every file, and a limit of the size of a file."""

import resource
from collections.abc import Iterator
from functools import partial
from typing import Literal, get_args

from .bench import Bench
from .outcome import Outcome, Skipped, Trial, look, require_clean, require_told
from .scene import Command, Scene
from .small_disk import SmallDisk, not_permitted, pages, small_disk

Disk = Literal["destination", "temporary folder"]
Unit = Literal["pages", "files"]

KIND = {
    "pages": "{} full after n pages",
    "files": "{} full after n files",
}
KIND_LIMIT = "a file may have n bytes"
SPARE = 6
"""More than what the result has: the folders above it count as files, and enough must be enough."""


def trials(bench: Bench) -> Iterator[Trial | Skipped]:
    yield from _limited(bench)
    reason = not_permitted()
    if reason:
        yield Skipped("full disk", reason)
        return
    disks = {which: small_disk(bench.folder / f"small {which}") for which in get_args(Disk)}
    for command, few, many in (("threshold", 2, 200), ("export", 0, 20), ("serve", 0, 10)):
        if not bench.wants(command, few, many):
            continue
        for unit, kind in KIND.items():
            for which, disk in disks.items():
                if command == "serve" and which == "temporary folder":
                    # It writes nothing there.
                    continue
                most = _most(bench, command, unit, which)
                points = bench.effort.some(range(most), few, many, f"{command} {unit} {which}")
                for count in points:
                    run = partial(_full, bench, command, disk, which, unit, count)
                    yield Trial(kind.format(which), command, f"n = {count}", run)


def _most(bench: Bench, command: Command, unit: Unit, which: Disk) -> int:
    """As many pages or files as the result has, and a few more."""
    if which == "temporary folder":
        # The graph, its converted form and what the tools put beside it.
        folder, command = bench.originals.bundle / "onnx", "export"
    elif command == "serve":
        folder = bench.originals.site
    else:
        folder = bench.originals.bundle
    count = pages(folder) if unit == "pages" else len([*folder.rglob("*")])
    return count + SPARE


def _full(
    bench: Bench, command: Command, disk: SmallDisk, which: Disk, unit: Unit, count: int
) -> Outcome:
    disk.roomy()
    if which == "destination":
        scene = Scene(command, bench.originals, disk.place, bench.folder / "roomy temporary")
    else:
        scene = Scene(command, bench.originals, bench.folder / "scene", disk.place)
    scene.set_up()
    (disk.leave_pages if unit == "pages" else disk.leave_inodes)(count)
    ended = bench.run(scene)
    outcome = look(scene, ended, delivered=ended.status != 0)
    require_clean(outcome)
    require_told(outcome, ended, scene.before)
    return outcome


def _limited(bench: Bench) -> Iterator[Trial]:
    sizes = {path.stat().st_size for path in bench.originals.bundle.rglob("*") if path.is_file()}
    points = sorted({0, 1, *(size - 1 for size in sizes), max(sizes)})
    for command, few, many in (("threshold", 2, 100), ("export", 1, 100)):
        if not bench.wants(command, few, many):
            continue
        for size in bench.effort.some(points, few, many, f"limit {command}"):
            run = partial(_one_limit, bench, command, size)
            yield Trial(KIND_LIMIT, command, f"n = {size}", run)


def _one_limit(bench: Bench, command: Command, size: int) -> Outcome:
    scene = bench.scene(command)

    def before() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    ended = bench.run(scene, before)
    outcome = look(scene, ended, delivered=ended.status != 0)
    require_clean(outcome)
    require_told(outcome, ended, scene.before)
    return outcome
