"""Kill a worker and the driver of a run on Ray, and see whether its results are whole."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.fleet.killed import Run, run_with_kills
from benchmarks.fleet.plain import plain_rate
from benchmarks.fleet.rows import FILE, digest, read, short_texts, write_rows
from benchmarks.results import write_results
from clampdown_runtime import DefendedClassifier

_COLUMNS = ("id", "text", "label", "flagged")
_PLAIN_FILES = 8


def main() -> None:
    """Measure and write ``docs/results/fleet``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--rows", type=int, default=2_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name) / "rows", Path(name) / "out"
        write_rows(source, short_texts(options.rows))
        files = sorted(source.glob("*.parquet"))
        runs = run_with_kills(options.bundle, source, out, len(files))
        plain = plain_rate(options.bundle, files[:_PLAIN_FILES])
        classifier = DefendedClassifier.load(options.bundle, threads=1)
        texts = (str(text) for _, text in read(source, ("id", "text")))
        predictions = classifier.stream(texts)
        expected = digest(
            (*row, prediction.label, prediction.flagged)
            for row, prediction in zip(read(source, ("id", "text")), predictions, strict=True)
        )
        found = digest(read(out, _COLUMNS))
        left = sum(path.name.startswith(".") for path in out.iterdir())
    rate = _rate(runs[1])
    memory = [size for run in runs for _, size in sorted(run.memory.items()) if size]
    third = len(memory) // 3
    row = {
        "rows": found[0],
        "lost or twice": expected[0] - found[0],
        "digest": "the same" if found == expected else "another",
        "half-written files": left,
        "status of the killed driver": runs[0].status,
        "of the one that continued": runs[1].status,
        "worker, first third (MB)": max(memory[:third]) / 1e6,
        "worker, last third (MB)": max(memory[-third:]) / 1e6,
        "rows per second and core": rate,
        "plain runtime's": plain,
        "ratio": rate / plain,
    }
    notes = [
        "A worker was killed when a third of the files was there, the driver when two thirds were, "
        "both by SIGKILL; the command was given again. The digest is SHA-256 of id, text, label "
        "and flagged of all rows in their order, and is held against the plain runtime's on the "
        "same texts.",
        f"Rates are of two processes with one thread each, from {FILE:,} rows on: from the first "
        "file that the continuing run finished to its last one, against `stream` in two processes, "
        "which neither reads nor writes files.",
    ]
    write_results("fleet", [row], notes)
    sys.exit(found != expected)


def _rate(run: Run) -> float:
    """Rows per second and core between the first and the last file that a run finished."""
    return (len(run.finished) - 1) * FILE / (run.finished[-1] - run.finished[0]) / 2


if __name__ == "__main__":
    main()
