"""Latency of the defended SST-2 BadNets victim beside the undefended one of other exporters."""

import itertools
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.latency.contenders import export_by_optimum, export_by_torch
from benchmarks.latency.op_profile import shares
from benchmarks.latency.published_path import PADDED, PublishedPath
from benchmarks.latency.sessions import LEVELS, feed_of, session
from benchmarks.results import Row, write_results
from benchmarks.victims import Victim
from clampdown import defend
from clampdown.measure.latency import expected_ratio
from clampdown_runtime.sessions.session import OUTPUTS
from clampdown_runtime.timing import SETTLING_S, Run, median_ratio, seconds_in_turn

VICTIM = Victim("sst-2", "badnets")
TORCH, OPTIMUM, FP32, INT8 = "torch.onnx.export", "optimum-cli", "defended fp32", "defended int8"
FLAGGED = ", flagged"

ROUNDS = (12, 40)
THRESHOLDS = {"": np.inf, FLAGGED: -np.inf}
Files = Mapping[str, Path]


def main() -> None:
    """Measure and write ``docs/results/latency``, ``latency_levels`` and ``latency_operators``."""
    VICTIM.train(_report)
    with tempfile.TemporaryDirectory() as name:
        files, rate = _exported(Path(name))
        rows = []
        for threads in (1, 2):
            rows += list(_latency(files, rate, threads))
        write_results("latency", rows, NOTES)
        write_results("latency_levels", list(_levels(files)), LEVEL_NOTES)
        write_results("latency_operators", list(_operators(files)), OPERATOR_NOTES)


NOTES = (
    "Ratios are medians over rounds in which all take their turn. `torch_ms` is the median of the "
    "undefended model as `torch.onnx.export` writes it, and the ratios of `optimum`, `fp32` and "
    "`int8` are over it. `_flagged` has every row flagged, `_clean` the measured share of clean "
    "rows, a run with one flagged row taken to cost what one with all costs.",
    "`fp32_over_optimum` and `int8_over_faster` are of clean traffic, over Optimum's file and over "
    "the faster of the two.",
    f"`published_padded` and `published_unpadded` are how many times as long the published PyTorch "
    f"path, which runs the network once to detect and once to predict, takes for one row as the "
    f"defended fp32 file: padded to {PADDED} tokens as published, and not padded.",
)
LEVEL_NOTES = (
    "One thread; every file over `torch.onnx.export`'s at the default level. The levels are ONNX "
    "Runtime's `graph_optimization_level`.",
)
OPERATOR_NOTES = (
    "Milliseconds of one run on one thread in the kernels of each operator, and their share, from "
    "ONNX Runtime's profile at its default level; what takes less than 2% is left out.",
)


def _exported(place: Path) -> tuple[Files, float]:
    fp32, int8 = (
        defend(
            VICTIM.folder,
            VICTIM.calibration,
            place / precision,
            precision=precision,
            progress=_report,
        )
        for precision in ("fp32", "int8")
    )
    files = {
        TORCH: export_by_torch(VICTIM.folder, place / "torch"),
        OPTIMUM: export_by_optimum(VICTIM.folder, place / "optimum"),
        FP32: fp32.bundle / fp32.manifest.model_file,
        INT8: int8.bundle / int8.manifest.model_file,
    }
    return files, fp32.manifest.frr_measured


def _latency(files: Files, rate: float, threads: int) -> Iterator[Row]:
    sessions = {name: session(path, threads) for name, path in files.items()}
    published = PublishedPath(VICTIM.folder)
    for batch_size, length in itertools.product((1, 8), (32, 128)):
        _report(f"{threads} threads, {batch_size} rows of {length} tokens")
        runs = _runs(sessions, batch_size, length)
        padding = {"padded": PADDED, "unpadded": length} if batch_size == 1 else {}
        for name, padded in padding.items():
            runs[name] = published.run(length, padded, threads)
        seconds = seconds_in_turn(runs, rounds=_rounds(batch_size, length), settling_s=SETTLING_S)
        over_torch = {name: median_ratio(found, seconds[TORCH]) for name, found in seconds.items()}

        def clean(name: str, times: Mapping[str, float], rows: int = batch_size) -> float:
            flagged = times[name + FLAGGED]
            return expected_ratio(times[name], flagged, flagged, rows=rows, rate=rate)

        over_optimum = {
            name: median_ratio(found, seconds[OPTIMUM]) for name, found in seconds.items()
        }
        faster = max(over_torch, over_optimum, key=lambda times: times[FP32])
        yield {
            "threads": threads,
            "batch_size": batch_size,
            "length": length,
            "torch_ms": 1000 * float(np.median(seconds[TORCH])),
            "optimum": over_torch[OPTIMUM],
            "fp32": over_torch[FP32],
            "fp32_flagged": over_torch[FP32 + FLAGGED],
            "fp32_clean": clean(FP32, over_torch),
            "fp32_over_optimum": clean(FP32, over_optimum),
            "int8": over_torch[INT8],
            "int8_flagged": over_torch[INT8 + FLAGGED],
            "int8_clean": clean(INT8, over_torch),
            "int8_over_faster": clean(INT8, faster),
            **{
                f"published_{name}": median_ratio(seconds[name], seconds[FP32]) if padding else None
                for name in ("padded", "unpadded")
            },
        }


def _levels(files: Files) -> Iterator[Row]:
    for batch_size, length in ((1, 32), (8, 128)):
        runs: dict[str, Run] = {}
        for level in LEVELS:
            sessions = {name: session(path, 1, level=level) for name, path in files.items()}
            for name, run in _runs(sessions, batch_size, length).items():
                if not name.endswith(FLAGGED):
                    runs[f"{name} {level}"] = run
        seconds = seconds_in_turn(
            runs, rounds=_rounds(batch_size, length) // 2, settling_s=SETTLING_S
        )
        base = seconds[f"{TORCH} all (default)"]
        for level in LEVELS:
            yield {
                "batch_size": batch_size,
                "length": length,
                "level": level,
                **{name: median_ratio(seconds[f"{name} {level}"], base) for name in files},
            }


def _operators(files: Files) -> Iterator[Row]:
    for batch_size, length in ((1, 32), (8, 128)):
        for name, path in files.items():
            spent = shares(path, batch_size, length)
            total = sum(spent.values())
            for operator, milliseconds in spent.items():
                if milliseconds >= 0.02 * total:
                    yield {
                        "batch_size": batch_size,
                        "length": length,
                        "file": name,
                        "operator": operator,
                        "ms": milliseconds,
                        "share": 100 * milliseconds / total,
                    }


def _runs(
    sessions: Mapping[str, onnxruntime.InferenceSession], batch_size: int, length: int
) -> dict[str, Run]:
    """A run of every session; of a defended one with no row flagged and with every row."""
    runs: dict[str, Run] = {}
    for name, found in sessions.items():
        feed = feed_of(found, batch_size, length)
        if name in (TORCH, OPTIMUM):
            runs[name] = partial(found.run, ["logits"], feed)
            continue
        for suffix, threshold in THRESHOLDS.items():
            given = {**feed, "threshold": np.array([threshold], np.float32)}
            runs[name + suffix] = partial(found.run, OUTPUTS, given)
    return runs


def _rounds(batch_size: int, length: int) -> int:
    fewest, most = ROUNDS
    return max(fewest, min(most, most * 128 // (batch_size * length)))


def _report(*step: object) -> None:
    print(*step, file=sys.stderr)


if __name__ == "__main__":
    main()
