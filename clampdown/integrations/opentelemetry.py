"""A monitor's counts for OpenTelemetry, read when they are exported and kept nowhere else."""

from collections.abc import Callable, Iterator
from itertools import chain

from clampdown.extras import needs_extra
from clampdown_runtime.monitor import Monitor
from clampdown_runtime.monitor.snapshot import Snapshot

with needs_extra("clampdown.integrations.opentelemetry", "opentelemetry"):
    from opentelemetry.metrics import CallbackOptions, Meter, Observation


def observe(monitor: Monitor, meter: Meter) -> None:
    """Makes observable counters of a meter give a monitor's counts.

    ============================  ==========================================================
    ``clampdown.rows``            rows, by ``label``, the model's own, and ``flagged``
    ``clampdown.rows.beyond``     rows by ``label`` that score higher than every clean row, or
                                  have no finite score
    ``clampdown.rows.changed``    rows by ``label`` that the defence answered otherwise
    ``clampdown.rows.compared``   rows of which that is known
    ``clampdown.rows.truncated``  texts that the model saw a part of
    ``clampdown.rows.scores``     rows by bin of the anomaly score, ``at_most`` its upper end
    ``clampdown.runs``            calls of the model
    ``clampdown.runs.time``       the model's time for them, in seconds
    ============================  ==========================================================

    Each has the attribute ``bundle``, the digest of its manifest. OpenTelemetry has no observable
    histogram: the bins of the scores are counters, and of the times there are number and sum.

    Args:
        monitor: it goes on counting.
        meter: such as ``opentelemetry.metrics.get_meter("my.service")``. Its instruments are
            unique: monitors of several bundles take a meter each.
    """
    for name, unit, what, read in (
        ("clampdown.rows", "{row}", "Classified rows.", _rows),
        ("clampdown.rows.beyond", "{row}", "Rows over every clean anomaly score.", _beyond),
        ("clampdown.rows.changed", "{row}", "Rows that were answered otherwise.", _changed),
        ("clampdown.rows.compared", "{row}", "Rows of which that is known.", _compared),
        ("clampdown.rows.truncated", "{row}", "Rows that were seen in part.", _truncated),
        ("clampdown.rows.scores", "{row}", "Rows by anomaly score.", _scores),
        ("clampdown.runs", "{run}", "Calls of the model.", _runs),
        ("clampdown.runs.time", "s", "Time of the model.", _time),
    ):
        meter.create_observable_counter(
            name, callbacks=[_callback(monitor, read)], unit=unit, description=what
        )


_Read = Callable[[Snapshot], Iterator[tuple[float, dict[str, str | bool]]]]


def _callback(monitor: Monitor, read: _Read) -> Callable[[CallbackOptions], Iterator[Observation]]:
    def observations(_options: CallbackOptions) -> Iterator[Observation]:
        for value, attributes in read(monitor.snapshot()):
            yield Observation(value, {"bundle": monitor.bundle, **attributes})

    return observations


def _rows(of: Snapshot) -> Iterator[tuple[float, dict[str, str | bool]]]:
    for label, rows, flagged in zip(of.labels, of.rows, of.flagged, strict=True):
        yield rows - flagged, {"label": label, "flagged": False}
        yield flagged, {"label": label, "flagged": True}


def _beyond(of: Snapshot) -> Iterator[tuple[float, dict[str, str | bool]]]:
    for label, rows in zip(of.labels, of.beyond, strict=True):
        yield rows, {"label": label}


def _changed(of: Snapshot) -> Iterator[tuple[float, dict[str, str | bool]]]:
    for label, rows in zip(of.labels, of.changed, strict=True):
        yield rows, {"label": label}


def _compared(of: Snapshot) -> Iterator[tuple[float, dict[str, str | bool]]]:
    yield of.compared, {}


def _truncated(of: Snapshot) -> Iterator[tuple[float, dict[str, str | bool]]]:
    yield of.truncated, {}


def _scores(of: Snapshot) -> Iterator[tuple[float, dict[str, str | bool]]]:
    ends = chain((f"{edge:.6g}" for edge in of.scale.edges), ("+Inf",))
    for end, rows in zip(ends, of.scores, strict=True):
        yield rows, {"at_most": end}


def _runs(of: Snapshot) -> Iterator[tuple[float, dict[str, str | bool]]]:
    yield sum(of.runs), {}


def _time(of: Snapshot) -> Iterator[tuple[float, dict[str, str | bool]]]:
    yield of.seconds, {}
