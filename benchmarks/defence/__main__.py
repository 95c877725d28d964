"""Measure every defence on every victim, and write ``docs/results/defence``.

Victims are trained once and results kept as they come, both outside the repository, so that the
command resumes where it was stopped. Two steps run at a time, each on one thread.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from benchmarks.defence import cache
from benchmarks.defence.measure import measure
from benchmarks.defence.plan import Step, everything, quick
from benchmarks.defence.table import write_table
from benchmarks.demo_victim import DemoVictim
from benchmarks.retrained import Retrained
from benchmarks.victims import CACHE, Victim

T = TypeVar("T")
Model = Victim | DemoVictim | Retrained
WORKERS = 2


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defence", description=__doc__)
    parser.add_argument(
        "--quick",
        type=Path,
        metavar="DIR",
        help="measure the victim of a folder that `clampdown demo` wrote, on few rows; no table",
    )
    parser.add_argument("--so-far", action="store_true", help="the table of what was measured")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured")
    asked = parser.parse_args()
    if asked.quick:
        for step in quick(asked.quick):
            for row in measure(step):
                print(json.dumps(row), flush=True)
        return
    if asked.fresh:
        shutil.rmtree(CACHE / "defence", ignore_errors=True)
    steps = list(everything())
    if not asked.so_far:
        unmeasured = [step for step in steps if cache.read(step) is None]
        _in_parallel("victims trained", _train, _missing(step.victim for step in unmeasured))
        # Only then: what they are called follows from the victims' weights.
        others = _missing(
            Retrained(step.victim, step.limits.calibration, from_victim)
            for step in unmeasured
            if step.kind == "fine-tuned"
            for from_victim in (False, True)
        )
        _in_parallel("models fine-tuned on clean rows", _train, others)
        _in_parallel("steps measured", _measure, unmeasured)
    rows = [row for step in steps for row in cache.read(step) or ()]
    write_table(rows, [str(step) for step in steps if cache.read(step) is None])


def _missing(models: Iterable[Model]) -> list[Model]:
    """Those that are not cached, each once."""
    folders = {model.folder: model for model in models}
    return [model for folder, model in folders.items() if not folder.is_dir()]


def _train(model: Model) -> None:
    model.train()


def _measure(step: Step) -> None:
    cache.write(step, measure(step))


def _in_parallel(what: str, work: Callable[[T], None], items: Sequence[T]) -> None:
    """Do the work of all items, and say after each how long the rest will take."""
    start = time.monotonic()
    if items:
        print(f"0 of {len(items)} {what}", file=sys.stderr, flush=True)
    with ProcessPoolExecutor(WORKERS) as pool:
        waiting = {pool.submit(work, item): item for item in items}
        for done, future in enumerate(as_completed(waiting), 1):
            future.result()
            left = (time.monotonic() - start) / done * (len(items) - done) / 60
            print(
                f"{done} of {len(items)} {what}, about {left:.0f} minutes left",
                file=sys.stderr,
                flush=True,
            )


if __name__ == "__main__":
    main()
