"""Runs the trials of the kinds that are asked for."""

import gc
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from . import at_once, broken_calls, full_disk, killed, outputs, signalled, two_steps, typed_signals
from .bench import Bench
from .effort import Effort
from .originals import make_originals
from .outcome import Outcome, Skipped, Trial
from .spoiled import SEEN_BY, SPOILS, nothing_spoiled
from .table import read_counts, skips, table, wrongs

_MODULES = {
    "killed": killed,
    "signalled": signalled,
    "two_steps": two_steps,
    "full_disk": full_disk,
    "broken_calls": broken_calls,
    "at_once": at_once,
    "outputs": outputs,
    "typed_signals": typed_signals,
}


@dataclass
class Found:
    """All results."""

    results: list[tuple[Trial, Outcome]] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    spoiled: dict[str, int] = field(default_factory=dict)
    seconds: Counter[str] = field(default_factory=Counter)

    @property
    def wrong(self) -> list[str]:
        return wrongs(self.results)

    def text(self) -> str:
        parts = [table(self.results)]
        if reads := read_counts(self.results):
            parts.append(f"Loads while the threshold moved: {reads}.")
        parts += skips(self.skipped)
        if self.spoiled:
            seen = "; ".join(f"{name}: {count}" for name, count in self.spoiled.items())
            parts.append(f"Wrong where the product was broken on purpose: {seen}.")
        return "\n\n".join(parts)

    def summary(self) -> dict[str, object]:
        kinds: dict[str, int] = {}
        for trial, _ in self.results:
            kinds[trial.kind] = kinds.get(trial.kind, 0) + 1
        return {
            "trials": kinds,
            "wrong": self.wrong,
            "spoiled": self.spoiled,
            "skipped": skips(self.skipped),
        }


def run_faults(
    folder: Path,
    kinds: Sequence[str],
    *,
    quick: bool,
    seed: int,
    match: str,
    spoil: str | None,
    check: bool,
) -> Found:
    (folder / "originals").mkdir()
    # Each process collects its own garbage at its end, and need not look at all that is imported.
    gc.freeze()
    bench = Bench(
        make_originals(folder / "originals", with_site=not quick),
        folder,
        Effort(quick, seed),
        *([SPOILS[spoil]] if spoil else []),
    )
    found = _found(bench, kinds, match)
    if check and not spoil:
        for name, (kind, which) in SEEN_BY.items():
            effort = Effort(True, seed)
            spoiled = replace(bench, spoil=SPOILS[name], effort=effort, only="threshold")
            found.spoiled[name] = len(_found(spoiled, [kind], which).wrong)
    return found


def _found(bench: Bench, kinds: Sequence[str], match: str) -> Found:
    found, ready = Found(), time.monotonic()
    for trial in _trials(bench, kinds):
        found.seconds["preparation"] += time.monotonic() - ready
        if isinstance(trial, Skipped):
            found.skipped.append(trial)
        elif match in f"{trial.kind} | {trial.command} | {trial.what}":
            started = time.monotonic()
            outcome = trial.run()
            found.seconds[trial.kind] += time.monotonic() - started
            found.results.append((trial, outcome))
            if outcome.wrong and bench.spoil is nothing_spoiled:
                click.echo(wrongs([(trial, outcome)])[0], err=True)
        ready = time.monotonic()
    return found


def _trials(bench: Bench, kinds: Sequence[str]) -> Iterator[Trial | Skipped]:
    for kind in kinds:
        yield from _MODULES[kind].trials(bench)
