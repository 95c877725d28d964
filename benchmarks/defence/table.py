"""The table of all results: every victim and defence, then the means."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.defence.measure import FRR
from benchmarks.defence.plan import LIMITS
from benchmarks.defence.rows import first_rows
from benchmarks.results import write_results
from benchmarks.victims import ATTACKS, LABELS, Victim

TOOK = 85
"""ASR from which an attack counts as one that took; others are listed and not averaged in."""

AVERAGED = (
    "cacc",
    "cacc_loss",
    "pacc",
    "tacc",
    "bpacc",
    "asr",
    "score",
    "auroc",
    "auroc_shifted",
    "frr",
    "far",
    "shifted_loss",
    "shifted_worst",
    "calls_per_row",
    "ms_per_row",
    "calibration_s",
)

Row = dict[str, Any]


def write_table(rows: Sequence[Row], missing: Sequence[str]) -> None:
    """Write the rows with their means, and say what is missing and which attacks did not take."""
    asr = {_victim(row): row["asr"] for row in rows if row["defence"] == "none"}
    failed = {v for v, rate in asr.items() if rate is not None and rate < TOOK}
    notes = [
        f"{dataset}, {attack}: the attack did not take (ASR {asr[dataset, attack]}) and is in no "
        "mean."
        for dataset, attack in sorted(failed)
    ]
    if missing:
        notes.append(f"Not measured yet: {'; '.join(missing)}.")
    for dataset in LABELS:
        low, high, held_out, tested = _rates(dataset)
        notes.append(
            f"{dataset}: a false rejection rate of {FRR:g} asked for, with {held_out} held-out "
            f"rows to set Clampdown's threshold, is measured between {low:.1f} and {high:.1f}% on "
            f"{tested} test rows in 95% of calibrations (the threshold's and the test rows' chance "
            "together)."
        )
    notes += [
        f"{dataset}: the first {limits.seen} rows of each test file are left out, since figures on "
        "them were looked at while earlier defences were designed. Which rows the present one was "
        "chosen on, docs/experiments.md says."
        for dataset, limits in LIMITS.items()
        if limits.seen
    ]
    few = ", ".join(f"{limits.online} of {dataset}" for dataset, limits in LIMITS.items())
    notes.append(
        f"DAN, STRIP and RAP are measured on the first of the test rows alone ({few}), fitted on "
        "half of the clean rows and their thresholds set on the other half. Two steps of the "
        "benchmark run at a time, so `ms_per_row` is rough; `docs/results/latency.md` has what can "
        "be compared."
    )
    notes.append("ONION is missing: it needs a causal language model, and none is packaged.")
    notes += list(_shifted(rows))
    write_results("defence", [*rows, *_means(rows, failed)], notes)


def _shifted(rows: Sequence[Row]) -> Iterable[str]:
    """A line a victim: its accuracy on every shifted set, undefended and with the default."""
    for row in rows:
        if row["defence"] == f"Clampdown, FRR {FRR}" and row["mode"] == "detect-then-purify":
            sets = ", ".join(f"{name} {a:g} → {b:g}" for name, (a, b) in row["shifted"].items())
            wrong, right = row["flips"]
            yield (
                f"{row['dataset']}, {row['attack']}, shifted rows undefended → defended: {sets}. "
                f"Clean rows turned wrong {wrong}, turned right {right}."
            )


def _rates(dataset: str) -> tuple[float, float, int, int]:
    """The central 95% of the rates that a threshold of that rank gives, and the rows' numbers.

    Of n held-out scores the k-th smallest is exceeded by new ones at a rate that follows
    ``Beta(n + 1 - k, k)`` (Vovk 2012), of which the test rows are a binomial sample. Scores of
    several fits depend on one another a little, which this leaves out.
    """
    limits, victim = LIMITS[dataset], Victim(dataset, None)
    held_out = len(first_rows(victim.calibration, limits.calibration).texts)
    tested = len(first_rows(victim.clean_test, limits.test, behind=limits.seen).texts)
    rank = math.ceil((held_out + 1) * (1 - FRR) - 1e-9)
    random = np.random.default_rng(0)
    rates = random.binomial(tested, random.beta(held_out + 1 - rank, rank, 200_000)) / tested
    low, high = 100 * np.quantile(rates, (0.025, 0.975))
    return float(low), float(high), held_out, tested


def _victim(row: Row) -> tuple[str, str]:
    return row["dataset"], row["attack"]


def _means(rows: Sequence[Row], failed: set[tuple[str, str]]) -> Iterable[Row]:
    """Over the plain attacks that took, for every defence and mode."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row["dataset"] in LABELS and row["attack"] in ATTACKS and _victim(row) not in failed:
            groups.setdefault((row["defence"], row["mode"]), []).append(row)
    for (defence, mode), group in groups.items():
        means = {column: _mean([row[column] for row in group]) for column in AVERAGED}
        yield {
            "dataset": "mean",
            "attack": f"{len(group)} victims",
            "defence": defence,
            "mode": mode,
            **means,
            **dict.fromkeys(("shifted", "flips", "tpr")),
        }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 2) if known else None
