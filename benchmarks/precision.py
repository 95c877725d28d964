"""A backdoored SST-2 victim in every precision, defended and undefended."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.results import Row, write_results
from benchmarks.victims import Victim
from clampdown import Evaluation, bench, defend, evaluate
from clampdown_runtime.bundle.manifest import Precision

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
VICTIM = Victim("sst-2", "badnets")


def main() -> None:
    """Measure and write ``docs/results/precision``."""
    VICTIM.train(_report)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        rows = [row for p in PRECISIONS for row in _measured(place, p)]
    notes = [
        f"The {VICTIM.attack} victim on {VICTIM.dataset}, rates in percent. Latency of one row of "
        "32 tokens, unflagged, one thread; `latency_ratio` is over the same precision's undefended "
        "graph, measured in turn. Memory is what a fresh process grows by.",
    ]
    write_results("precision", rows, notes)


def _measured(place: Path, precision: Precision) -> Iterator[Row]:
    bundle = defend(
        VICTIM.folder,
        VICTIM.calibration,
        place / precision,
        precision=precision,
        progress=_report,
    ).bundle
    result = evaluate(
        bundle,
        VICTIM.clean_test,
        poisoned=VICTIM.triggered_tests[0],
        target_label=VICTIM.target,
        progress=_report,
    )
    cost = bench(
        bundle, threads=(1,), batch_sizes=(1,), lengths=(32,), repeats=100, progress=_report
    )
    [timed] = cost.rows
    memory = cost.memory
    for defended in (False, True):
        yield {
            "precision": precision,
            "defended": defended,
            **_rates(result, defended=defended),
            "latency_ms": timed.unflagged_ms if defended else timed.undefended_ms,
            "latency_ratio": timed.unflagged_ratio if defended else 1.0,
            "file_mb": (cost.defended_file_bytes if defended else cost.undefended_file_bytes) / 1e6,
            "memory_mb": None
            if memory is None
            else (memory.defended_bytes if defended else memory.undefended_bytes) / 1e6,
        }


def _rates(result: Evaluation, *, defended: bool) -> dict[str, float | None]:
    accuracies = result.defended if defended else result.undefended
    return {
        "cacc": accuracies.cacc,
        "pacc": accuracies.pacc,
        "asr": accuracies.asr,
        "auroc": 100 * result.auroc if defended and result.auroc is not None else None,
        "frr": result.frr if defended else None,
    }


def _report(*step: object) -> None:
    print(*step, file=sys.stderr)


if __name__ == "__main__":
    main()
