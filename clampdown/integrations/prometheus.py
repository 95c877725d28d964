"""A monitor's counts for Prometheus, read when they are scraped and kept nowhere else."""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate

from clampdown.extras import needs_extra
from clampdown_runtime.monitor import Monitor
from clampdown_runtime.monitor.snapshot import SECONDS

with needs_extra("clampdown.integrations.prometheus", "prometheus"):
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.utils import floatToGoString


class MonitorCollector:
    """A collector, as ``prometheus_client.REGISTRY.register`` takes it.

    ========================================  ===========================================
    ``clampdown_rows_total``                  rows by ``label``, the model's own, and ``flagged``
    ``clampdown_beyond_rows_total``           rows by ``label`` that score higher than every
                                              clean row, or have no finite score
    ``clampdown_changed_rows_total``          rows by ``label`` that the defence answered otherwise
    ``clampdown_compared_rows_total``         rows of which that is known
    ``clampdown_truncated_rows_total``        texts that the model saw a part of
    ``clampdown_anomaly_score``               histogram of the scores
    ``clampdown_clean_anomaly_score``         the clean rows in the same bins; never changes
    ``clampdown_run_seconds``                 histogram of the model's time for each call
    ========================================  ===========================================

    Each has the label ``bundle``, the digest of its manifest. One collector takes all monitors of a
    process. In several processes (``PROMETHEUS_MULTIPROC_DIR``) custom collectors are not merged by
    the client: let each be scraped, or serve the sum of their snapshots.
    """

    def __init__(self, *monitors: Monitor) -> None:
        """Takes the monitors; they go on counting."""
        self._monitors = monitors

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        snapshots = [monitor.snapshot() for monitor in self._monitors]
        rows = CounterMetricFamily(
            "clampdown_rows", "Classified rows.", labels=("bundle", "label", "flagged")
        )
        beyond = CounterMetricFamily(
            "clampdown_beyond_rows",
            "Rows with a higher anomaly score than every clean row.",
            labels=("bundle", "label"),
        )
        changed = CounterMetricFamily(
            "clampdown_changed_rows",
            "Rows that the defence gave another answer than the model.",
            labels=("bundle", "label"),
        )
        compared = CounterMetricFamily(
            "clampdown_compared_rows",
            "Rows of which the model's own answer is known.",
            labels=("bundle",),
        )
        truncated = CounterMetricFamily(
            "clampdown_truncated_rows",
            "Rows of which the model saw a part.",
            labels=("bundle",),
        )
        scores = HistogramMetricFamily(
            "clampdown_anomaly_score", "Anomaly scores.", labels=("bundle",)
        )
        clean = HistogramMetricFamily(
            "clampdown_clean_anomaly_score",
            "Anomaly scores of the clean rows of the calibration.",
            labels=("bundle",),
        )
        seconds = HistogramMetricFamily(
            "clampdown_run_seconds", "Time of the model for each call.", labels=("bundle",)
        )
        for of in snapshots:
            for label, count, flagged, over, other in zip(
                of.labels, of.rows, of.flagged, of.beyond, of.changed, strict=True
            ):
                rows.add_metric((of.bundle, label, "false"), count - flagged)
                rows.add_metric((of.bundle, label, "true"), flagged)
                beyond.add_metric((of.bundle, label), over)
                changed.add_metric((of.bundle, label), other)
            compared.add_metric((of.bundle,), of.compared)
            truncated.add_metric((of.bundle,), of.truncated)
            # Scores are negative, too: such a histogram has no sum.
            scores.add_metric((of.bundle,), _buckets(of.scale.edges, of.scores), None)
            clean.add_metric((of.bundle,), _buckets(of.scale.edges, of.scale.clean), None)
            seconds.add_metric((of.bundle,), _buckets(SECONDS, of.runs), of.seconds)
        yield from (rows, beyond, changed, compared, truncated, scores, clean, seconds)


def _buckets(edges: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    ends = (*edges, math.inf)
    return [
        (floatToGoString(end), float(count))
        for end, count in zip(ends, accumulate(counts), strict=True)
    ]
