"""Runs the whole corpus and writes what came of it."""

import argparse
import sys
import tempfile
from pathlib import Path

import torch

from tests.models.cases import CASES
from tests.models.page import as_expected, page
from tests.models.run_case import TOLERANCE, Outcome, run_case


def main() -> int:
    """The exit status is 1 when a model came out otherwise than the table says."""
    parser = argparse.ArgumentParser(prog="python -m tests.models", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    outcomes: dict[str, Outcome] = {}
    failures = 0
    for case in CASES:
        with tempfile.TemporaryDirectory() as place:
            outcomes[case.name] = outcome = run_case(case, Path(place))
        good = as_expected(case, outcome, TOLERANCE)
        failures += not good
        print(f"{'ok ' if good else 'BAD'} {case.name}: {outcome.described()}", file=sys.stderr)
    command = f"python -m tests.models --out {options.out}"
    options.out.write_text(page(outcomes, command), "utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
