"""From file to file on a GPU: ``clampdown score`` in one process and on Ray.

The SST-2 BadNets victim scores clean texts. ``--provider cpu`` rehearses it, and writes nothing.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import get_args

import torch

from benchmarks.defence.rows import first_rows
from benchmarks.fleet.rows import read, write_rows
from benchmarks.results import Row, write_results
from benchmarks.victims import Victim
from clampdown import defend
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.manifest import Precision
from clampdown_runtime.sessions.providers import Provider

VICTIM = Victim("sst-2", "badnets")
PRECISIONS: tuple[Precision, ...] = ("cuda-fp32", "cuda-fp16")
ENGINES = {"process": (), "ray": ("--engine", "ray", "--workers", "1")}
FILES = 8
BATCHES = (32, 128, 512)
THREADS = 2
"""CPUs of an actor, and of the others alike: a rehearsal's machine has no more."""


def main() -> None:
    """Measure, and write ``docs/results/cuda_score``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda.score", description=__doc__)
    parser.add_argument("--provider", choices=get_args(Provider), default="cuda")
    parser.add_argument("--rows", type=int, default=400_000)
    options = parser.parse_args()
    VICTIM.train()
    texts = first_rows(VICTIM.clean_test, None).texts
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        given = itertools.islice(itertools.cycle(texts), options.rows)
        write_rows(place / "rows", given, options.rows // FILES)
        rows = [
            row
            for precision in PRECISIONS
            for row in _measured(place, precision, options.provider, texts, options.rows)
        ]
    if options.provider == "cpu":
        sys.exit(f"rehearsed: {rows}")
    write_results("cuda_score", rows, [f"{torch.cuda.get_device_name()}. {NOTE}"])


NOTE = (
    f"Rows per second from the first of {FILES} files to the last one, reading, tokenisation "
    "and writing included; start and loading are in the seconds of the command alone. `stream` is "
    "the plain runtime on the same texts, which neither reads nor writes files, in batches of 32 "
    "(that of `score`), 128 and 512. What differs: labels and flags of all rows against those of "
    "the same bundle on the CPU."
)


def _measured(
    place: Path, precision: Precision, provider: Provider, texts: Sequence[str], rows: int
) -> Iterator[Row]:
    bundle = defend(VICTIM.folder, VICTIM.calibration, place / precision, precision=precision)
    plain = _streamed(
        bundle.bundle, provider, itertools.islice(itertools.cycle(texts), rows // FILES)
    )
    on_cpu = [(row.label, row.flagged) for row in DefendedClassifier.load(bundle.bundle)(texts)]
    for engine, words in ENGINES.items():
        out = place / f"{precision} {engine}"
        start = time.perf_counter()
        _score(bundle.bundle, place / "rows", out, provider, words)
        seconds = time.perf_counter() - start
        found = read(out, ("label", "flagged"))
        expected = itertools.islice(itertools.cycle(on_cpu), rows)
        yield {
            "precision": precision,
            "engine": engine,
            "seconds": seconds,
            "rows per second": _rate(out, rows // FILES),
            **{f"stream, {size}": rate for size, rate in plain.items()},
            "differ": sum(a != b for a, b in zip(found, expected, strict=True)),
        }


def _score(bundle: Path, source: Path, out: Path, provider: Provider, words: Sequence[str]) -> None:
    code = "from clampdown.cli.main import main; main()"
    files = ("--input", str(source / "*.parquet"), "--out", str(out))
    options = ("--provider", provider, "--threads", str(THREADS), *words)
    command = [sys.executable, "-c", code, "score", str(bundle), *files, *options]
    subprocess.run(command, check=True)


def _rate(out: Path, size: int) -> float:
    finished = sorted(path.stat().st_mtime for path in out.glob("*.parquet"))
    return (FILES - 1) * size / (finished[-1] - finished[0])


def _streamed(bundle: Path, provider: Provider, texts: Iterable[str]) -> dict[int, float]:
    classifier = DefendedClassifier.load(bundle, provider=provider, threads=THREADS)
    given = list(texts)
    rates = {}
    for size in BATCHES:
        for _ in classifier.stream(given[:2048], batch_size=size):
            pass
        start = time.perf_counter()
        for _ in classifier.stream(given, batch_size=size):
            pass
        rates[size] = len(given) / (time.perf_counter() - start)
    return rates


if __name__ == "__main__":
    main()
