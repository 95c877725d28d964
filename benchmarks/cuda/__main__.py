"""The defended SST-2 BadNets victim on a GPU, beside the plain export and PyTorch.

``--provider cpu`` rehearses everything but PyTorch where there is no GPU, and writes nothing.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from benchmarks.cuda.contenders import nodes_by_provider, onnx_run, sessions, torch_runs
from benchmarks.defence.rows import first_rows
from benchmarks.results import Row, write_results
from benchmarks.victims import Victim
from clampdown import defend
from clampdown_exporter import write_undefended
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.manifest import Precision
from clampdown_runtime.sessions.providers import Provider

VICTIM = Victim("sst-2", "badnets")
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "cuda-fp32", "cuda-fp16")
PLAIN = {"fp32": "undefended fp32", "fp16": "undefended fp16"}
SHAPES = ((1, 32), (1, 128), (8, 128), (64, 128))
TORCH = ("eager", "default", "reduce-overhead")
ROUNDS, RUNS = 20, 5
"""All take their turn in every round, with so many runs each."""

COMPARED = 500
TEXTS = 2000

Run = Callable[[], None]


def main() -> None:
    """Measure, and write ``docs/results/cuda``, ``cuda_nodes`` and ``cuda_agreement``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda", description=__doc__)
    parser.add_argument("--provider", choices=get_args(Provider), default="cuda")
    provider: Provider = parser.parse_args().provider
    VICTIM.train()
    with tempfile.TemporaryDirectory() as name:
        # One after the other: side by side their threads get into each other's way.
        bundles = {precision: _bundle(Path(name), precision) for precision in PRECISIONS}
        files = _files(Path(name), bundles)
        shapes = SHAPES if provider == "cuda" else SHAPES[:1]
        rows = [
            row
            for graphs in ((False, True) if provider == "cuda" else (False,))
            for row in _times(files, provider, shapes, graphs=graphs)
        ]
        nodes = [{"file": n, **nodes_by_provider(path, provider)} for n, path in files.items()]
        agreement = list(_agreement(bundles, provider))
    if provider == "cpu":
        sys.exit(f"rehearsed: {rows}\n{nodes}\n{agreement}")
    device = torch.cuda.get_device_name()
    write_results("cuda", rows, [f"{device}. {NOTE}"])
    columns = {key: None for row in nodes for key in row}
    write_results("cuda_nodes", [{**columns, **row} for row in nodes], [f"{device}. {NODES_NOTE}"])
    write_results("cuda_agreement", agreement, [f"{device}. {AGREEMENT_NOTE}"])


NOTE = (
    "`ms`: median of the undefended model as it is traced, in that precision; all others are "
    "ratios over it, medians of rounds in which all take their turn, inputs and outputs on the "
    "device. `defended` is the bundle in that precision, `defended_fused` the one in `cuda-fp32` "
    "or `cuda-fp16`, `undefended_fused` the latter's network without the defence. `torch` is the "
    "undefended checkpoint in half precision, eager and through `torch.compile`, which captures "
    "CUDA graphs in the mode `reduce-overhead`."
)
NODES_NOTE = "Nodes that a run executes on each provider, after ONNX Runtime's own fusions."
AGREEMENT_NOTE = (
    f"{COMPARED} clean rows against the same bundle on the CPU: largest absolute differences, "
    f"flags and labels that differ. Rows per second of {TEXTS} texts, tokenisation included, in "
    "batches of 32, and of one text at a time, without and with CUDA graphs."
)


def _bundle(place: Path, precision: Precision) -> Path:
    print(f"making the bundle in {precision}", file=sys.stderr, flush=True)
    result = defend(VICTIM.folder, VICTIM.calibration, place / precision, precision=precision)
    return result.bundle


def _files(place: Path, bundles: Mapping[Precision, Path]) -> dict[str, Path]:
    """Every bundle's graph, and without its defence."""
    files = {}
    for precision, bundle in bundles.items():
        opened = DefendedClassifier.load(bundle).bundle
        files[f"undefended {precision}"] = place / f"{precision}.onnx"
        write_undefended(opened, files[f"undefended {precision}"])
        files[f"defended {precision}"] = opened.model_path
    return files


def _times(
    files: Mapping[str, Path],
    provider: Provider,
    shapes: tuple[tuple[int, int], ...],
    *,
    graphs: bool,
) -> Iterator[Row]:
    opened = sessions(files, provider, graphs=graphs)
    for number, shape in enumerate(shapes, 1):
        runs: dict[str, Run] = {
            name: onnx_run(session, provider, shape, number) for name, session in opened.items()
        }
        if provider == "cuda":
            # Compiled CUDA graphs are compared with CUDA graphs.
            kinds = TORCH[2:] if graphs else TORCH[:2]
            runs |= torch_runs(VICTIM.folder, shape, kinds)
        medians = _medians(runs)
        for kind, plain in PLAIN.items():
            own = medians[plain]
            others = {
                "defended": medians[f"defended {kind}"] / own,
                "undefended_fused": medians[f"undefended cuda-{kind}"] / own,
                "defended_fused": medians[f"defended cuda-{kind}"] / own,
            }
            in_torch = {
                f"torch_{of}": medians.get(f"torch fp16, {of}", np.nan) / own for of in TORCH
            }
            yield {
                "precision": kind,
                "cuda_graphs": graphs,
                "batch_size": shape[0],
                "length": shape[1],
                "ms": 1000 * own,
                **others,
                **{
                    name.replace("-", "_"): float(ratio) if kind == "fp16" and ratio > 0 else None
                    for name, ratio in in_torch.items()
                },
                "rows_per_second_fused": shape[0] / medians[f"defended cuda-{kind}"],
            }


def _medians(runs: Mapping[str, Run]) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            for _ in range(RUNS):
                start = time.perf_counter()
                run()
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in seconds.items()}


def _agreement(bundles: Mapping[Precision, Path], provider: Provider) -> Iterator[Row]:
    texts = first_rows(VICTIM.clean_test, None).texts
    for precision, bundle in bundles.items():
        plain = DefendedClassifier.load(bundle, provider=provider)
        ids = [list(item.ids) for item in plain.tokenizer.encode(texts[:COMPARED])]
        there, here = plain.run_ids(ids), DefendedClassifier.load(bundle).run_ids(ids)
        row: dict[str, object] = {
            "precision": precision,
            "logits": float(np.abs(there.logits - here.logits).max()),
            "anomaly_score": float(np.abs(there.anomaly_score - here.anomaly_score).max()),
            "flags": int((there.flagged != here.flagged).sum()),
            "labels": int((there.logits.argmax(1) != here.logits.argmax(1)).sum()),
            "rows_per_second": _rows_per_second(plain, texts, 32),
            "rows_per_second_alone": _rows_per_second(plain, texts[:200], 1),
        }
        if provider == "cuda":
            graphs = DefendedClassifier.load(bundle, provider=provider, cuda_graphs=True)
            same = graphs.run_ids(ids)
            row["graphs_logits"] = float(np.abs(same.logits - there.logits).max())
            row["graphs_flags"] = int((same.flagged != there.flagged).sum())
            row["rows_per_second_graphs"] = _rows_per_second(graphs, texts, 32)
            row["rows_per_second_alone_graphs"] = _rows_per_second(graphs, texts[:200], 1)
        yield row


def _rows_per_second(
    classifier: DefendedClassifier, texts: Sequence[str], batch_size: int
) -> float:
    given = [texts[i % len(texts)] for i in range(TEXTS if batch_size > 1 else len(texts))]
    classifier(given, batch_size=batch_size)
    start = time.perf_counter()
    classifier(given, batch_size=batch_size)
    return len(given) / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
