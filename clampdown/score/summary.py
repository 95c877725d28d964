"""What is in the results of a run."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from clampdown.integrations.arrow_results import (
    FLAGGED,
    LABEL,
    LABELS,
    OWN_LABEL,
    OWN_LABELS,
    SCORE,
)
from clampdown.score.places.place import Place
from clampdown.score.readable import readable
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.errors import BundleError
from clampdown_runtime.monitor import Change, Drift, Monitor, Verdict, clean_changed


@dataclass(frozen=True, slots=True)
class ScoreBin:
    """Rows of one range of anomaly scores.

    Attributes:
        up_to: its upper end, which it holds; None of the last one, where scores are that are not
            finite, too.
        rows: of the results.
        clean: of the clean rows.
    """

    up_to: float | None
    rows: int
    clean: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a run, those of earlier runs that it continued among them.

    Attributes:
        fragments: files of results.
        rows: in them.
        flagged: rows that are flagged.
        flag_rate: their share of the rows that were classified; None where there are none.
        labels: rows of each label; of a model of many labels those that have it, and so a row may
            count for several of them, or for none.
        changed: rows that the defence gave another answer than the model; None where the graph does
            not say, or the bundle keeps no clean scores.
        clean_changed: the share of the clean rows that it does; None as above.
        errors: rows that could not be classified, by reason.
        scores: a histogram; None where the bundle keeps no clean scores, as of an earlier release.
        change: whether the rows are scored as the clean ones were, see :class:`Drift`; None as
            above.
        advice: what to do then.
    """

    fragments: int
    rows: int
    flagged: int
    flag_rate: float | None
    labels: dict[str, int]
    changed: int | None
    clean_changed: float | None
    errors: dict[str, int]
    scores: tuple[ScoreBin, ...] | None
    change: Change | None
    advice: str | None


def summarise(files: Iterable[Place], bundle: Bundle, threshold: float | None) -> Summary:
    """Counts the rows of files of results, in bounded memory.

    Args:
        files: in the order in which they are looked at.
        bundle: that gave them.
        threshold: that took the place of the bundle's own.
    """
    fragments = rows = 0
    given, own = _answers(bundle.manifest)
    labels, flagged, errors = counters = [Counter[object]() for _ in range(3)]
    traffic = _Traffic(bundle)
    for place in files:
        fragments += 1
        for batch in _batches(place, {given, own}):
            rows += batch.num_rows
            for name, counter in zip((given, FLAGGED, "error"), counters, strict=True):
                column = batch.column(name)
                if pa.types.is_list(column.type):
                    column = column.flatten()
                for value in column.value_counts().to_pylist():
                    counter[value["values"]] += value["counts"]
            traffic.look(batch)
    classified = rows - sum(count for reason, count in errors.items() if reason is not None)
    verdict = traffic.verdict
    return Summary(
        fragments,
        rows,
        flagged[True],
        flagged[True] / classified if classified else None,
        _by_name(labels),
        traffic.changed,
        None if traffic.changed is None else clean_changed(bundle, threshold),
        _by_name(errors),
        traffic.scores,
        None if verdict is None else verdict.change,
        None if verdict is None else verdict.advice,
    )


class _Traffic:
    """The rows beside the clean ones, batch by batch."""

    def __init__(self, bundle: Bundle) -> None:
        self._labels = bundle.manifest.labels
        self._answers = _answers(bundle.manifest)
        self._drift = Drift()
        self.verdict: Verdict | None = None
        self._monitor: Monitor | None = None
        try:
            self._monitor = Monitor(bundle)
            self._before = self._monitor.snapshot()
        except BundleError:
            pass  # it keeps no clean scores

    def look(self, batch: pa.RecordBatch) -> None:
        read = batch.filter(pc.is_null(batch.column("error")))
        if self._monitor is None or not read.num_rows:
            return
        # Null in all rows where the graph does not say.
        own, changed = read.column(OWN_LABEL), None
        if own.null_count:
            own = read.column(LABEL)
        else:
            given, undefended = (read.column(name).to_pylist() for name in self._answers)
            changed = np.array([a != b for a, b in zip(given, undefended, strict=True)])
        self._monitor.count_rows(
            pc.index_in(own, pa.array(self._labels)).to_numpy(),
            read.column(SCORE).to_numpy(),
            read.column(FLAGGED).to_numpy(zero_copy_only=False),
            changed=changed,
        )
        now = self._monitor.snapshot()
        self.verdict = self._drift.look(now - self._before)
        self._before = now

    @property
    def changed(self) -> int | None:
        if self._monitor is None or not self._before.compared:
            return None
        return sum(self._before.changed)

    @property
    def scores(self) -> tuple[ScoreBin, ...] | None:
        if self._monitor is None:
            return None
        scale = self._before.scale
        bins = zip((*scale.edges, None), self._before.scores, scale.clean, strict=True)
        return tuple(ScoreBin(*one) for one in bins)


def _answers(manifest: Manifest) -> tuple[str, str]:
    """The columns of the answers and of the model's own."""
    return (LABELS, OWN_LABELS) if manifest.multi_label else (LABEL, OWN_LABEL)


def _batches(place: Place, answers: set[str]) -> Iterator[pa.RecordBatch]:
    # What the monitor counts is one label, even where a row's labels are counted.
    columns = {*answers, LABEL, OWN_LABEL, FLAGGED, "error", SCORE}
    with readable(place), place.open("rb") as file, parquet.ParquetFile(file) as opened:
        yield from opened.iter_batches(columns=[*columns])


def _by_name(counter: Counter[object]) -> dict[str, int]:
    return {name: n for name, n in sorted(counter.items(), key=str) if isinstance(name, str)}
