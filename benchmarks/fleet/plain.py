"""The plain runtime on the same rows: two processes of one thread, each with half of the files."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from pyarrow import parquet

from clampdown_runtime import DefendedClassifier


def plain_rate(bundle: Path, files: list[Path]) -> float:
    """Rows per second and core of ``stream``; loading and reading are not counted."""
    halves = files[::2], files[1::2]
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        rates = list(pool.map(partial(_rate, bundle), halves))
    print("plain, rows per second of each process:", rates, file=sys.stderr)
    return sum(rates) / len(rates)


def _rate(bundle: Path, files: list[Path]) -> float:
    classifier = DefendedClassifier.load(bundle, threads=1)
    texts = [text for path in files for text in parquet.read_table(path)["text"].to_pylist()]
    start = time.perf_counter()
    for _ in classifier.stream(texts):
        pass
    return len(texts) / (time.perf_counter() - start)
