"""Runs the faults and writes the table; the exit status is 1 when something was wrong."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import click

from .small_disk import enter_private_mounts, unmount_all

KINDS = (
    "killed",
    "signalled",
    "two_steps",
    "full_disk",
    "broken_calls",
    "at_once",
    "outputs",
    "typed_signals",
)


def main() -> int:
    options = _options()
    enter_private_mounts(sys.argv[1:])
    # Imported now: what is imported is what the namespace was entered for, and it takes seconds.
    from .run_faults import run_faults
    from .table import LEGEND

    folder = Path(tempfile.mkdtemp(prefix="clampdown-faults-"))
    # Another user has to be able to pass.
    folder.chmod(0o755)
    started = time.monotonic()
    try:
        found = run_faults(
            folder,
            options.only or KINDS,
            quick=options.quick,
            seed=options.seed,
            match=options.match,
            spoil=options.spoil,
            check=not options.only and not options.match,
        )
    finally:
        unmount_all()
        shutil.rmtree(folder, ignore_errors=True)
    click.echo(found.text())
    seconds = time.monotonic() - started
    click.echo(f"{len(found.results)} trials, {len(found.wrong)} wrong, {seconds:.0f} s")
    if options.out:
        options.out.write_text(
            f"`make faults`; clampdown {version('clampdown')}, Python {sys.version.split()[0]}, "
            f"seed {options.seed}, {seconds:.0f} s.\n\n{found.text()}\n\n{LEGEND}\n"
        )
    if options.times:
        for kind, seconds in found.seconds.most_common():
            click.echo(f"{seconds:7.1f} s  {kind}")
    if options.json:
        options.json.write_text(json.dumps(found.summary()))
    return int(bool(found.wrong) or not all(found.spoiled.values()))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--out", type=Path, help="where the table is written")
    parser.add_argument("--json", type=Path, help="where the findings are written")
    parser.add_argument("--only", action="append", choices=KINDS)
    parser.add_argument("--match", default="", help="only trials whose name has this in it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a few of each kind")
    parser.add_argument("--times", action="store_true", help="print how long each kind took")
    parser.add_argument("--spoil", help="break the product so, to see that the checks can fail")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
