"""How soon a monitor sees that the traffic changed, and what counting costs."""

import argparse
import csv
import dataclasses
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.results import Row, write_results
from clampdown_calib.threshold import threshold_at
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.monitor import Change, Drift, Monitor, Scale, Snapshot
from clampdown_runtime.monitor.clean_rows import clean_scores
from clampdown_runtime.timing import seconds_in_turn

Scores = NDArray[np.float32]

STREAMS = 100
CLEAN_ROWS = (400, 1000)
PERIOD = 200
ROWS, FALSE_REJECTIONS = 10_000, 0.1
NOISE = 0.1
"""Added to scores that are drawn again and again, in standard deviations of clean rows, so that
they have no ties; a tenth of what they vary by themselves."""
ATTACKS = (0.01, 0.02, 0.05)
SHIFTS = (-0.5, -0.3, 0.3, 0.5)
ROUNDS = 200


def main() -> None:
    """Measure and write ``docs/results/monitoring``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path, help="the folder that `clampdown demo` wrote")
    demo = parser.parse_args().demo
    classifier = DefendedClassifier.load(demo / "bundle", threads=1)
    test, _ = _scores(classifier, demo / "clean-test.csv")
    clean = np.concatenate([clean_scores(classifier.bundle), test])
    triggered, labels = _scores(classifier, demo / "poisoned-test.csv")
    [target] = {label for label in labels if np.median(triggered[labels == label]) < 3}
    forced = triggered[labels != target]
    rows = [row for count in CLEAN_ROWS for row in _rows(clean, triggered, forced, count)]
    notes = [
        f"{STREAMS} streams of {ROWS} rows each, drawn from the scores of {len(clean)} clean and "
        f"{len(triggered)} triggered rows of the demo, with a calibration of `clean_rows` drawn "
        f"anew for each and looked at every {PERIOD} rows. `forced` are triggered rows whose true "
        "label is not the attacker's; `triggered` are those of either label. A shift is added "
        "to every score, in standard deviations. `flags`, `scores`, `none`: share of the streams "
        "with this verdict at the end. `rows_to_alarm` and `triggered_rows_to_alarm`: medians of "
        "the streams with an alarm, and the latter's 90th percentile over all streams.",
        *_costs(classifier, demo / "clean-test.csv"),
    ]
    write_results("monitoring", rows, notes)


def _scores(classifier: DefendedClassifier, path: Path) -> tuple[Scores, NDArray[np.str_]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    print(f"{path}: {len(rows)} rows", file=sys.stderr)
    found = classifier([row["text"] for row in rows])
    scores = np.array([prediction.anomaly_score for prediction in found], np.float32)
    return scores, np.array([row["label"] for row in rows])


def _rows(clean: Scores, triggered: Scores, forced: Scores, count: int) -> Iterator[Row]:
    yield _measured(count, "clean", clean)
    for rate in ATTACKS:
        yield _measured(count, f"{rate:.0%} forced", clean, attack=forced, rate=rate)
        yield _measured(count, f"{rate:.0%} triggered", clean, attack=triggered, rate=rate)
    for shift in SHIFTS:
        yield _measured(count, f"scores {shift:+g}", clean, shift=shift)


def _measured(
    count: int,
    traffic: str,
    clean: Scores,
    *,
    attack: Scores | None = None,
    rate: float = 0.0,
    shift: float = 0.0,
) -> Row:
    print(f"{count} clean rows: {traffic}", file=sys.stderr)
    verdicts: list[Change] = []
    alarms, seen = [], []
    for seed in range(STREAMS):
        random = np.random.default_rng(seed)
        calibration = np.sort(_drawn(random, clean, count))
        scale = Scale.of(calibration, threshold_at(calibration, FALSE_REJECTIONS))
        stream = _drawn(random, clean, ROWS) + np.float32(shift)
        attacked = random.random(ROWS) < rate
        if attack is not None:
            stream[attacked] = _drawn(random, attack, int(attacked.sum()))
        alarm, verdict = _watched(scale, stream)
        verdicts.append(verdict)
        if alarm is not None:
            alarms.append(alarm)
        seen.append(np.inf if alarm is None else int(attacked[:alarm].sum()))
    finite = [one for one in seen if np.isfinite(one)]
    late = float(np.quantile(seen, 0.9, method="higher"))
    return {
        "clean_rows": count,
        "traffic": traffic,
        "none": verdicts.count("none") / STREAMS,
        "flags": verdicts.count("flags") / STREAMS,
        "scores": verdicts.count("scores") / STREAMS,
        "rows_to_alarm": int(np.median(alarms)) if alarms else None,
        "triggered_rows_to_alarm": int(np.median(finite)) if rate and finite else None,
        "triggered_rows_to_alarm_90": int(late) if rate and np.isfinite(late) else None,
    }


def _drawn(random: np.random.Generator, scores: Scores, count: int) -> Scores:
    drawn = random.choice(scores, count) + random.normal(0, NOISE, count)
    return drawn.astype(np.float32)


def _watched(scale: Scale, stream: Scores) -> tuple[int | None, Change]:
    nothing = Snapshot.nothing("", ("rows",), scale)
    bins = np.searchsorted(np.array(scale.edges, np.float32), stream)
    drift, alarm = Drift(), None
    change: Change = "none"
    for start in range(0, len(stream), PERIOD):
        found = bins[start : start + PERIOD]
        verdict = drift.look(
            dataclasses.replace(
                nothing,
                rows=(len(found),),
                flagged=(int((found > scale.threshold).sum()),),
                scores=tuple(np.bincount(found, minlength=len(scale.clean)).tolist()),
            )
        )
        change = verdict.change
        if verdict.alarm and alarm is None:
            alarm = start + len(found)
    return alarm, change


def _costs(classifier: DefendedClassifier, path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    monitor = Monitor(classifier.bundle)
    for size in (1, 32):
        batch = texts[:size]
        encoded = [item.ids for item in classifier.tokenizer.encode(batch)]
        outputs = classifier.run_ids(encoded)
        seconds = seconds_in_turn(
            {
                "run": partial(classifier, batch),
                "count": partial(monitor.count, outputs, seconds=0.01),
            },
            rounds=ROUNDS,
            settling_s=0.0,
        )
        run, count = np.median(seconds["run"]), np.median(seconds["count"])
        yield (
            f"Counting {size} row{'s' * (size > 1)} takes {1e6 * count:.0f} microseconds, "
            f"{count / run:.2%} of a call's {1e3 * run:.1f} ms (medians of {ROUNDS}, one thread)."
        )


if __name__ == "__main__":
    main()
