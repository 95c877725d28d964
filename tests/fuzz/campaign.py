"""A run of many mutants: which, what came of them, and how to see one again."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.fuzz.mutant import Mutant
from tests.fuzz.outcome import Outcome
from tests.fuzz.runner import Runner
from tests.fuzz.targets import TARGETS

Pair = tuple[str, str]
"""Of a target and a mutator."""


@dataclass
class Results:
    """What came of the mutants of each pair.

    Attributes:
        outcomes: of each pair, in the order of the mutants.
        failures: one mutant for each cause, with its outcome and how many share it.
    """

    outcomes: dict[Pair, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[tuple[str, ...], tuple[Mutant, Outcome, int]] = field(default_factory=dict)

    def add(self, mutant: Mutant, outcome: Outcome) -> None:
        """Count an outcome."""
        self.outcomes[mutant.target, mutant.mutator].append(outcome)
        if outcome.bad:
            key = (mutant.target, *outcome.signature)
            first, shown, count = self.failures.get(key, (mutant, outcome, 0))
            self.failures[key] = (first, shown, count + 1)


def pairs(targets: Iterable[str] = (), mutators: Iterable[str] = ()) -> list[Pair]:
    """The pairs of these targets and mutators, of all where none is named."""
    return [
        (name, mutator)
        for name, target in TARGETS.items()
        for mutator in target.mutators
        if not targets or name in targets
        if not mutators or mutator in mutators
    ]


def mutants(count: int, seed: int, chosen: list[Pair]) -> Iterator[Mutant]:
    """As many mutants, in turn of every pair: fewer are the first of more."""
    turns = ((target, mutator, i) for i in itertools.count() for target, mutator in chosen)
    for target, mutator, index in itertools.islice(turns, count):
        yield Mutant(seed, target, mutator, index)


def specimens() -> Iterator[Mutant]:
    """Every specimen of every target as it is, all of which have to be accepted."""
    for name, target in TARGETS.items():
        for index in range(len(target.specimens)):
            yield Mutant(0, name, "", index)


def run(runner: Runner, chosen: Iterable[Mutant]) -> Iterator[tuple[Mutant, Outcome]]:
    """Feed the mutants to the runner.

    Raises:
        AssertionError: a target refuses a specimen that is not changed.
    """
    for mutant in specimens():
        outcome = runner.attempt(mutant)
        if outcome.kind != "ok" or outcome.bad:
            raise AssertionError(f"{mutant.target} does not take {outcome.changed}: {outcome}")
    for mutant in chosen:
        yield mutant, runner.attempt(mutant)


def replay_command(mutant: Mutant) -> str:
    """What makes a mutant again and says what comes of it."""
    name = f"{mutant.target} {mutant.mutator} {mutant.index}"
    return f"python -m tests.fuzz --seed {mutant.seed} --replay {name}"


def described(mutant: Mutant, outcome: Outcome, count: int = 1) -> str:
    """A failure in a few lines."""
    lines = [
        f"{mutant.target}, {mutant.mutator} of {outcome.changed or 'a specimen'}: {outcome.kind}"
        + (f", {count} times" if count > 1 else ""),
        f"  {outcome.detail}" if outcome.detail else "",
        f"  at {outcome.place}" if outcome.place else "",
        f"  left {', '.join(map(ascii, outcome.left))}" if outcome.left else "",
        f"  reached {', '.join(outcome.reached)}" if outcome.reached else "",
        f"  {replay_command(mutant)}",
    ]
    return "\n".join(line for line in lines if line)
