"""Latency, memory and file size of a bundle against its undefended graph, and import time."""

import argparse
import dataclasses
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.results import write_results
from clampdown import bench

IMPORTS = {
    "reference": "import onnxruntime, tokenizers",
    "runtime": "import clampdown_runtime, onnxruntime",
}
IMPORT_PAIRS = 11


def main() -> None:
    """Measure and write ``docs/results/speed``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    bundle = parser.parse_args().bundle
    result = bench(bundle, repeats=20, progress=lambda *step: print(*step, file=sys.stderr))
    kept = ("threads", "batch_size", "length", "unflagged_ratio", "flagged_ratio", "clean_ratio")
    rows = [{k: v for k, v in dataclasses.asdict(r).items() if k in kept} for r in result.rows]
    memory = f"{result.memory_ratio:.3f}" if result.memory_ratio else "not told by this system"
    notes = [
        f"File size {result.file_ratio:.4f}, resident memory {memory}, both over the undefended "
        "graph's.",
        f"`{IMPORTS['runtime']}` takes {import_ratio():.2f} times as long as "
        f"`{IMPORTS['reference']}`.",
    ]
    write_results("speed", rows, notes)


def import_ratio() -> float:
    """Median ratio of the runtime's import, ONNX Runtime included, to its dependencies'."""
    ratios = []
    for _ in range(IMPORT_PAIRS):
        seconds = {}
        for name, code in IMPORTS.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            seconds[name] = time.perf_counter() - start
        ratios.append(seconds["runtime"] / seconds["reference"])
    return statistics.median(ratios)


if __name__ == "__main__":
    main()
