"""How soon a monitor sees that the traffic changed, and what counting costs."""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.defence.rows import LabelledRows, first_rows
from benchmarks.defence.shifted import shifted_rows
from benchmarks.demo_victim import DemoVictim
from benchmarks.monitoring.streams import PERIOD, ROWS, STREAMS, measure
from benchmarks.monitoring.traffic import Traffic
from benchmarks.results import Row, write_results
from benchmarks.victims import DATA
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.monitor import Monitor
from clampdown_runtime.timing import seconds_in_turn

CLEAN_ROWS = (400, 1000)
ATTACKS = (0.01, 0.02, 0.05)
SHIFTS = (-0.5, -0.3, 0.3, 0.5)
ELSEWHERE = (0.05, 1.0)
ROUNDS = 200


def main() -> None:
    """Measure and write ``docs/results/monitoring``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring", description=__doc__)
    parser.add_argument("demo", type=Path, help="the folder that `clampdown demo` wrote")
    demo = DemoVictim(parser.parse_args().demo)
    classifier = DefendedClassifier.load(demo.out / "bundle", threads=1)
    test = first_rows(demo.clean_test, None)
    [triggered_test] = demo.triggered_tests
    triggered = first_rows(triggered_test, None)
    clean = Traffic.of(classifier, test.texts)
    attack = Traffic.of(classifier, triggered.texts)
    at_all = triggered.labels != demo.target
    forced = Traffic(attack.scores[at_all], attack.labels[at_all])
    elsewhere = {
        name: Traffic.of(classifier, rows.texts) for name, rows in _elsewhere(demo, test).items()
    }
    rows = [
        row
        for count in CLEAN_ROWS
        for row in _rows(count, clean, {"forced": forced, "triggered": attack}, elsewhere, demo)
    ]
    notes = [
        f"{STREAMS} streams of {ROWS} rows each, drawn from {len(clean.scores)} clean and "
        f"{len(attack.scores)} triggered rows of the demo, with a calibration of `clean_rows` "
        f"drawn anew for each and looked at every {PERIOD} rows. `forced` are triggered rows whose "
        "true label is not the attacker's; `triggered` are those of either label. A shift is added "
        "to every score, in standard deviations. What follows are real texts from elsewhere, and "
        "the clean rows changed as in the benchmark of the defence. `flags`, `scores`, `none`: "
        "share of the streams with this verdict at the end; `named`: that names the attacker's "
        "label, `other_label_named`: another. `rows_to_alarm` and `triggered_rows_to_alarm`: "
        "medians of the streams with an alarm, and the latter's 90th percentile over all streams.",
        *_costs(classifier, test.texts),
    ]
    write_results("monitoring", rows, notes)


def _elsewhere(demo: DemoVictim, test: LabelledRows) -> Mapping[str, LabelledRows]:
    sets = shifted_rows(demo, test, len(test.texts))
    return sets | {"agnews": first_rows(DATA / "agnews" / "clean-test.csv", len(test.texts))}


def _rows(
    count: int,
    clean: Traffic,
    attacks: Mapping[str, Traffic],
    elsewhere: Mapping[str, Traffic],
    demo: DemoVictim,
) -> Iterator[Row]:
    yield measure(count, "clean", clean)
    for rate in ATTACKS:
        for name, rows in attacks.items():
            yield measure(
                count, f"{rate:.0%} {name}", clean, others=rows, rate=rate, target=demo.target
            )
    for shift in SHIFTS:
        yield measure(count, f"scores {shift:+g}", clean, shift=shift)
    for name, rows in elsewhere.items():
        for rate in ELSEWHERE:
            yield measure(count, f"{rate:.0%} {name}", clean, others=rows, rate=rate)


def _costs(classifier: DefendedClassifier, texts: Sequence[str]) -> Iterator[str]:
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
