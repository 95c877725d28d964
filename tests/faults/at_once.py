"""Several writers at once, and readers while a bundle changes."""

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.files import open_bundle
from clampdown_runtime.errors import BundleError, ClampdownError

from .bench import Bench
from .forked import Ended, Forked
from .outcome import Outcome, Skipped, Trial, last_line, look, require_clean
from .scene import Scene, graph_threshold

WRITERS, KILLED, READERS = 4, 2, 2
ALL_FLAGGED, NONE_FLAGGED = -1e6, 1e6
"""Two thresholds between which any score lies: what a graph flags says which one is in it."""

KIND_WRITERS, KIND_KILLED = "4 writers at once", "4 writers at once, two of them killed"
KIND_READERS = "2 readers while one writes 30 times"
MOVES = 30


def trials(bench: Bench) -> Iterator[Trial | Skipped]:
    for number in range(bench.effort.count(1, 20)):
        run = partial(_thresholds, bench)
        yield Trial(KIND_WRITERS, "threshold", f"round {number}", run)
    longest = bench.duration("threshold") * WRITERS / 2
    for moment in bench.effort.moments(longest, 1, 20, "killed writers"):
        run = partial(_some_killed, bench, moment)
        yield Trial(KIND_KILLED, "threshold", f"after {moment:.4f} s", run)
    for number in range(bench.effort.count(0, 4)):
        yield Trial(KIND_WRITERS, "export", f"round {number}", partial(_exports, bench))
    for number in range(bench.effort.count(1, 4)):
        moves = bench.effort.count(4, MOVES)
        yield Trial(KIND_READERS, "threshold", f"round {number}", partial(_readers, bench, moves))


def _start_together(bench: Bench, lines: list[tuple[object, ...]], temporary: Path) -> list[Forked]:
    """Start several and let them go at the same moment."""
    read, write = os.pipe()

    def wait() -> None:
        bench.spoil()
        os.close(write)
        os.read(read, 1)

    processes = [Forked(line, temporary=temporary, before=wait) for line in lines]
    os.close(read)
    os.close(write)
    return processes


VALUES = tuple(number + 2.5 for number in range(WRITERS))


def _start_thresholds(bench: Bench, scene: Scene) -> list[Forked]:
    lines = [("threshold", scene.place, "--value", value) for value in VALUES]
    return _start_together(bench, lines, scene.temporary)


def _thresholds(bench: Bench) -> Outcome:
    scene = bench.scene("threshold")
    results = [process.ended() for process in _start_thresholds(bench, scene)]
    outcome = _last_of(scene, results, VALUES)
    require_clean(outcome)
    return outcome


def _some_killed(bench: Bench, moment: float) -> Outcome:
    """What two leave is theirs to leave, and the next run's to remove."""
    scene = bench.scene("threshold")
    processes = _start_thresholds(bench, scene)
    time.sleep(moment)
    delivered = [process.signal(signal.SIGKILL) for process in processes[:KILLED]]
    results = [process.ended() for process in processes]
    outcome = _last_of(scene, results[KILLED:], VALUES)
    outcome.delivered = any(delivered)
    again = bench.run(scene)
    outcome.later = look(scene, again)
    require_clean(outcome.later)
    outcome.wrong += [f"next run: {wrong}" for wrong in outcome.later.wrong]
    return outcome


def _last_of(scene: Scene, results: list[Ended], values: Sequence[float]) -> Outcome:
    outcome = Outcome("half-written", scene.left_beside(), scene.left_in_temporary(), 0)
    try:
        manifest = open_bundle(scene.place).manifest
        if manifest.threshold in values and graph_threshold(scene.place) == manifest.threshold:
            outcome.state = "new"
    except (ClampdownError, OSError) as error:
        outcome.wrong.append(str(error))
    if outcome.state != "new":
        outcome.wrong.append("not one of theirs")
    outcome.wrong += [
        f"status {result.status}: {last_line(result.stderr)}" for result in results if result.status
    ]
    return outcome


def _exports(bench: Bench) -> Outcome:
    scene = bench.scene("export")
    processes = _start_together(bench, [scene.line] * WRITERS, scene.temporary)
    results = [process.ended() for process in processes]
    outcome = look(scene, results[0])
    # That the first one lost is no fault.
    outcome.wrong = [wrong for wrong in outcome.wrong if "status 0" not in wrong]
    require_clean(outcome)
    statuses = sorted(result.status for result in results)
    if statuses != [0, *[2] * (WRITERS - 1)] or outcome.state != "new":
        said = "; ".join(last_line(result.stderr) for result in results if result.status)
        outcome.wrong.append(f"status {statuses}: {said}")
    return outcome


def _readers(bench: Bench, moves: int) -> Outcome:
    scene = bench.scene("threshold")
    stop = scene.root / "stop"
    stop.unlink(missing_ok=True)
    Forked(
        ("threshold", scene.place, "--value", NONE_FLAGGED), temporary=scene.temporary
    ).ended().require(0)
    found = [scene.root / f"reader {number}" for number in range(READERS)]
    readers = [
        Forked(_reading(scene.place, stop, path), temporary=scene.temporary, before=bench.spoil)
        for path in found
    ]
    statuses = set()
    for number in range(moves):
        value = (ALL_FLAGGED, NONE_FLAGGED)[number % 2]
        line = ("threshold", scene.place, "--value", value)
        statuses.add(Forked(line, temporary=scene.temporary).ended().status)
    stop.touch()
    ends = [reader.ended() for reader in readers]
    outcome = _last_of(scene, ends, [ALL_FLAGGED, NONE_FLAGGED])
    require_clean(outcome)
    counts = sum((Counter(json.loads(path.read_text())) for path in found), Counter())
    outcome.counts = dict(counts)
    if statuses != {0}:
        outcome.wrong.append(f"status {statuses} of the writer")
    outcome.wrong += [
        f"{count} loads: {what}" for what, count in counts.items() if what not in _RIGHT
    ]
    if not counts["one or the other"]:
        outcome.wrong.append("no load succeeded")
    return outcome


_RIGHT = ("one or the other", "an error that says that it changed")


def _reading(place: Path, stop: Path, found: Path) -> Callable[[], None]:
    """Load until told to stop, and say what came of each load."""

    def read() -> None:
        counts: Counter[str] = Counter()
        while not stop.exists():
            counts[_load(place)] += 1
        found.write_text(json.dumps(counts))

    return read


def _load(place: Path) -> str:
    try:
        classifier = DefendedClassifier.load(place, threads=1)
    except BundleError as error:
        if "than a moment ago" in str(error) or "changed" in str(error):
            return "an error that says that it changed"
        return f"a BundleError: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    [prediction] = classifier(["good film"])
    mixed = prediction.flagged != (classifier.manifest.threshold == ALL_FLAGGED)
    return "a mixture" if mixed else "one or the other"
