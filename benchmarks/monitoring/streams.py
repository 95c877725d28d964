"""Streams of rows that a monitor looks at now and then, and what it says of them."""

import dataclasses
import sys

import numpy as np
from numpy.typing import NDArray

from benchmarks.monitoring.traffic import Traffic
from benchmarks.results import Row
from clampdown_calib.threshold import threshold_at
from clampdown_runtime.monitor import Drift, Scale, Snapshot, Verdict

STREAMS = 100
PERIOD = 200
ROWS, FALSE_REJECTIONS = 10_000, 0.1


def measure(
    count: int,
    name: str,
    clean: Traffic,
    *,
    others: Traffic | None = None,
    rate: float = 0.0,
    shift: float = 0.0,
    target: int | None = None,
) -> Row:
    """A row of the table.

    Args:
        count: clean rows of a calibration.
        name: of the traffic.
        clean: what calibrations and streams are drawn from.
        others: what is mixed in, at the given rate.
        rate: 0 to 1.
        shift: added to every score, in standard deviations.
        target: of an attack the attacker's class.
    """
    print(f"{count} clean rows: {name}", file=sys.stderr)
    verdicts: list[Verdict] = []
    alarms, seen = [], []
    for seed in range(STREAMS):
        random = np.random.default_rng(seed)
        calibration = np.sort(clean.drawn(random, count).scores)
        scale = Scale.of(calibration, threshold_at(calibration, FALSE_REJECTIONS))
        stream, replaced = clean.drawn(random, ROWS).mixed(random, others or clean, rate)
        shifted = Traffic(stream.scores + np.float32(shift), stream.labels)
        alarm, verdict = _watched(scale, shifted)
        verdicts.append(verdict)
        if alarm is not None:
            alarms.append(alarm)
        seen.append(np.inf if alarm is None else int(replaced[:alarm].sum()))
    finite = [one for one in seen if np.isfinite(one)]
    late = float(np.quantile(seen, 0.9, method="higher"))
    attacked = target is not None
    changes = [verdict.change for verdict in verdicts]
    named = [verdict.label for verdict in verdicts]
    return {
        "clean_rows": count,
        "traffic": name,
        "none": changes.count("none") / STREAMS,
        "flags": changes.count("flags") / STREAMS,
        "scores": changes.count("scores") / STREAMS,
        "named": sum(label == str(target) for label in named) / STREAMS if attacked else None,
        "other_label_named": sum(label not in (None, str(target)) for label in named) / STREAMS,
        "rows_to_alarm": int(np.median(alarms)) if alarms else None,
        "triggered_rows_to_alarm": int(np.median(finite)) if attacked and finite else None,
        "triggered_rows_to_alarm_90": int(late) if attacked and np.isfinite(late) else None,
    }


def _watched(scale: Scale, stream: Traffic) -> tuple[int | None, Verdict]:
    """Rows until the first alarm, and what is said at the end."""
    nothing = Snapshot.nothing("", ("0", "1"), scale)
    bins = np.searchsorted(np.array(scale.edges, np.float32), stream.scores)
    last = len(scale.edges)
    drift, alarm = Drift(), None
    for start in range(0, len(bins), PERIOD):
        found, labels = (part[start : start + PERIOD] for part in (bins, stream.labels))
        verdict = drift.look(
            dataclasses.replace(
                nothing,
                rows=_by_label(labels),
                flagged=_by_label(labels[found > scale.threshold]),
                beyond=_by_label(labels[found == last]),
                scores=tuple(np.bincount(found, minlength=len(scale.clean)).tolist()),
            )
        )
        if verdict.alarm and alarm is None:
            alarm = start + len(found)
    return alarm, verdict


def _by_label(labels: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(np.bincount(labels, minlength=2).tolist())
