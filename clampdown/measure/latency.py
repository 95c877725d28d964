"""The latency of a defended graph as a ratio of the undefended one's, in turn in one run."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clampdown.measure.synthetic_rows import random_rows
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.errors import BundleError, ClampdownError
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.sessions.providers import Provider
from clampdown_runtime.sessions.session import OUTPUTS, THRESHOLD, create_session
from clampdown_runtime.timing import SETTLING_S, median_ratio, seconds_in_turn
from clampdown_runtime.tokenizer import pad_batch

if TYPE_CHECKING:
    import onnxruntime

LENGTHS = (32, 128)
_POOL = 4
"""Rows are drawn for this many batches; one batch is chosen from them by its scores."""

Feed = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class BenchRow:
    """One setting. A ratio is the median over the rounds, in which all take their turn.

    Attributes:
        threads: threads that one operator may use.
        batch_size: rows in one run.
        length: tokens of each row, special ones included.
        undefended_ms: median milliseconds of one undefended run.
        unflagged_ms: median milliseconds of one defended run in which no row is flagged.
        flagged_ms: the same with every row flagged; None where the mode treats all rows alike.
        undefended_rows_per_second: throughput of the undefended model.
        unflagged_rows_per_second: throughput of the defended model when no row is flagged.
        unflagged_ratio: time without a flagged row over the undefended time.
        flagged_ratio: time with every row flagged over the undefended time; None as above.
        clean_ratio: the expected ratio on clean rows, each flagged on its own with the bundle's
            measured false rejection rate. It is computed from the ratios measured with no, with
            one and with every row flagged, taken as linear between one and all.
    """

    threads: int
    batch_size: int
    length: int
    undefended_ms: float
    unflagged_ms: float
    flagged_ms: float | None
    undefended_rows_per_second: float
    unflagged_rows_per_second: float
    unflagged_ratio: float
    flagged_ratio: float | None
    clean_ratio: float


def measure_latency(
    bundle: Bundle,
    undefended: Path,
    *,
    provider: Provider = "cpu",
    threads: Sequence[int] = (1, 2),
    batch_sizes: Sequence[int] = (1, 8),
    lengths: Sequence[int] | None = None,
    repeats: int = 10,
    progress: Progress = silent,
) -> list[BenchRow]:
    """Time a bundle's graph against the same graph without its defence.

    All take their turn in every round, on the same token ids, so that they meet the same machine.
    Tokens are random: the time depends on their number alone.

    Args:
        bundle: a verified bundle.
        undefended: the ONNX file of its undefended model.
        provider: where both run.
        threads: the numbers of threads to measure with.
        batch_sizes: the numbers of rows in one run.
        lengths: tokens in each row; 32 and 128 when None, or the bundle's ``max_length`` where
            that is less.
        repeats: how many rounds each ratio is the median of.
        progress: told about every setting.

    Returns:
        One row for each combination, threads outermost.

    Raises:
        ClampdownError: a number is below 1, or a length is over the bundle's ``max_length``.
        BundleError: a file cannot be loaded, or random rows do not tell scores apart.
        ProviderError: ONNX Runtime or the provider is not usable.
    """
    if lengths is None:
        lengths = sorted({min(length, bundle.manifest.max_length) for length in LENGTHS})
    for name, values in (("threads", threads), ("batch size", batch_sizes), ("repeats", [repeats])):
        if min(values) < 1:
            raise ClampdownError(
                f"the {name}", found=str(min(values)), expected="at least 1", hint="Pass more."
            )
    total = len(threads) * len(batch_sizes) * len(lengths)
    progress("Latency", 0, total)
    rows: list[BenchRow] = []
    for count in threads:
        sessions = (
            create_session(undefended, provider=provider, threads=count),
            create_session(bundle.model_path, provider=provider, threads=count),
        )
        for batch_size, length in itertools.product(batch_sizes, lengths):
            rows.append(
                _setting(
                    bundle,
                    sessions,
                    threads=count,
                    batch_size=batch_size,
                    length=length,
                    repeats=repeats,
                )
            )
            progress("Latency", len(rows), total)
    return rows


def expected_ratio(none: float, one: float, every: float, *, rows: int, rate: float) -> float:
    """The mean of the ratios over the number of flagged rows, which is binomial.

    Args:
        none: the ratio without a flagged row.
        one: the ratio with one flagged row.
        every: the ratio with every row flagged.
        rows: the rows in a batch.
        rate: the chance that a row is flagged, 0 to 1.
    """
    any_flagged = 1 - (1 - rate) ** rows
    further = rows * rate - any_flagged
    slope = (every - one) / (rows - 1) if rows > 1 else 0.0
    return (1 - any_flagged) * none + any_flagged * one + further * slope


def _setting(
    bundle: Bundle,
    sessions: "tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession]",
    *,
    threads: int,
    batch_size: int,
    length: int,
    repeats: int,
) -> BenchRow:
    undefended, defended = sessions
    second_pass = bundle.manifest.mode == "detect-then-purify"
    feed, over_one = _batch(bundle, defended, batch_size, length)
    thresholds = {"none": math.inf}
    if second_pass:
        thresholds["every"] = -math.inf
        if batch_size > 1:
            thresholds["one"] = over_one
    runs = {"undefended": partial(undefended.run, ("logits",), feed)}
    for name, threshold in thresholds.items():
        given = {**feed, THRESHOLD: np.array([threshold], np.float32)}
        runs[name] = partial(defended.run, OUTPUTS, given)
    seconds = seconds_in_turn(runs, rounds=repeats, settling_s=SETTLING_S)
    ratios = {name: median_ratio(seconds[name], seconds["undefended"]) for name in thresholds}
    medians = {name: float(np.median(found)) for name, found in seconds.items()}
    clean = ratios["none"]
    if second_pass:
        clean = expected_ratio(
            ratios["none"],
            ratios.get("one", ratios["every"]),
            ratios["every"],
            rows=batch_size,
            rate=bundle.manifest.frr_measured,
        )
    return BenchRow(
        threads=threads,
        batch_size=batch_size,
        length=length,
        undefended_ms=1000 * medians["undefended"],
        unflagged_ms=1000 * medians["none"],
        flagged_ms=1000 * medians["every"] if second_pass else None,
        undefended_rows_per_second=batch_size / medians["undefended"],
        unflagged_rows_per_second=batch_size / medians["none"],
        unflagged_ratio=ratios["none"],
        flagged_ratio=ratios.get("every"),
        clean_ratio=clean,
    )


def _batch(
    bundle: Bundle, defended: "onnxruntime.InferenceSession", batch_size: int, length: int
) -> tuple[Feed, float]:
    """A batch of random rows, and a threshold that only the first of them exceeds."""
    manifest = bundle.manifest
    pool = random_rows(bundle, count=_POOL * batch_size, length=length)
    [scores] = defended.run(["anomaly_score"], pad_batch(pool, manifest.padding, manifest.inputs))
    # A row without a score is flagged at any threshold.
    order = [index for index in np.argsort(scores) if math.isfinite(scores[index])]
    if len(order) < batch_size or (
        batch_size > 1 and scores[order[-1]] == scores[order[batch_size - 2]]
    ):
        raise BundleError(
            str(bundle.model_path),
            found="random rows that all have the same score or none",
            expected="finite anomaly scores that differ",
            hint="Run clampdown verify on the bundle.",
        )
    chosen = [order[-1], *order[: batch_size - 1]]
    threshold = -math.inf
    if batch_size > 1:
        # Half way, since a score changes in its last digits with the rows beside it.
        threshold = float(scores[chosen[0]] + scores[chosen[-1]]) / 2
    rows = [pool[index] for index in chosen]
    return dict(pad_batch(rows, manifest.padding, manifest.inputs)), threshold
