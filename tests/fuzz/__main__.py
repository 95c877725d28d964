"""Runs mutants and writes what came of them, or shows one mutant again."""

import argparse
import shlex
import sys
import time
from pathlib import Path

from tests.fuzz.campaign import Results, described, mutants, pairs, run
from tests.fuzz.mutant import Mutant
from tests.fuzz.places import places
from tests.fuzz.runner import MEMORY, SECONDS, Runner
from tests.fuzz.table import page
from tests.fuzz.targets import TARGETS

_EVERY = 500
"""Mutants between two lines of progress."""


def main() -> int:
    """The exit status is 1 when a mutant came through that should not have."""
    options = _options()
    if options.replay:
        target, mutator, index = options.replay
        return _replay(Mutant(options.seed, target, mutator, int(index)), options.keep)
    results, start = Results(), time.monotonic()
    chosen = pairs(options.target, options.mutator)
    with Runner(seconds=options.seconds, memory=options.memory) as runner:
        for count, (mutant, outcome) in enumerate(
            run(runner, mutants(options.mutants, options.seed, chosen)), 1
        ):
            results.add(mutant, outcome)
            if count % _EVERY == 0:
                taken = time.monotonic() - start
                print(
                    f"{count} mutants, {len(results.failures)} failures, {taken:.0f} s",
                    file=sys.stderr,
                )
    command = shlex.join(["python", "-m", "tests.fuzz", *sys.argv[1:]])
    text = page(results, command)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, "utf-8")
    print(text)
    for failure in results.failures.values():
        print(described(*failure), end="\n\n")
    return 1 if results.failures else 0


def _replay(mutant: Mutant, keep: Path | None) -> int:
    with Runner() as runner:
        outcome = runner.attempt(mutant)
    print(described(mutant, outcome))
    print(f"  {outcome.seconds:.2f} s, {outcome.grown >> 20} MiB more")
    print(outcome.trace)
    if keep:
        places().folder.rename(keep)
    return 1 if outcome.bad else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--mutants", type=int, default=300, help="how many, over all pairs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", nargs="+", choices=TARGETS, default=[])
    parser.add_argument("--mutator", nargs="+", default=[])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="after which one hangs")
    parser.add_argument("--memory", type=int, default=MEMORY, help="bytes that one may take")
    parser.add_argument("--out", type=Path, help="the Markdown file to write")
    parser.add_argument("--replay", nargs=3, metavar=("TARGET", "MUTATOR", "INDEX"))
    parser.add_argument("--keep", type=Path, help="where to leave the folder of a replayed mutant")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
