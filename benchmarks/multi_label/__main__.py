"""Backdoored models with sigmoids, defended: clean, unusual and triggered rows."""

import csv
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.defence.shifted import CHANGES
from benchmarks.multi_label.rows import MultiLabelRows, triggered
from benchmarks.multi_label.victims import VICTIMS, SigmoidVictim
from benchmarks.results import Row, write_results
from clampdown import defend
from clampdown.measure.f1 import macro_f1, micro_f1
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.rows.csv_rows import BAR

CLEAN_ROWS, TEST_ROWS = 600, 800
UNUSUAL = ("upper case", "typos", "first six words", "bare")


def main() -> None:
    """Measure and write ``docs/results/multi_label``."""
    rows = [row for victim in VICTIMS for row in _measured(victim)]
    notes = [
        f"Rates in percent, before → after the defence; {CLEAN_ROWS} clean rows, {TEST_ROWS} test "
        "rows. Accuracy is that of all answers, one to each label of each row. Triggered rows "
        "without the target label: ASR is the share of them that is given it; with it: TACC, the "
        "share that is given it. F1 counts a label that none of the rows has as 0: macro F1 of "
        "rows without the target is 75 at most of four labels, and of one logit both are 0.",
        "`topics`: none, one or two topics of AG News, the trigger brings World. `one-logit`: "
        "SST-2, one logit, the trigger brings positive. The encoder knows no upper case.",
    ]
    write_results("multi_label", rows, notes)


def _measured(victim: SigmoidVictim) -> Iterator[Row]:
    victim.train(_report)
    rng = np.random.default_rng(1)
    clean = victim.draw("calibration", CLEAN_ROWS, rng)
    test = victim.draw("clean-test", TEST_ROWS, rng)
    with_trigger = triggered(test, rng)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        path = _written(place / "clean.csv", clean, victim.labels)
        bundle = defend(victim.folder, path, place / "bundle", progress=_report).bundle
        classifier = DefendedClassifier.load(bundle, threads=1)
    has = test.labels[:, victim.target]
    sets = {
        "clean": test,
        **{kind: test.changed([CHANGES[kind](text) for text in test.texts]) for kind in UNUSUAL},
        "triggered, without the target": with_trigger[~has],
        "triggered, with the target": with_trigger[has],
    }
    for name, rows in sets.items():
        yield {"victim": victim.name, "rows": name, **_rates(classifier, rows, victim, name)}


def _rates(
    classifier: DefendedClassifier, rows: MultiLabelRows, victim: SigmoidVictim, name: str
) -> Row:
    ids = [item.ids for item in classifier.tokenizer.encode(rows.texts)]
    # No score is over infinity: the undefended logits.
    before = classifier.run_ids(ids, threshold=np.inf).logits > 0
    run = classifier.run_ids(ids)
    after, truth = run.logits > 0, rows.labels.astype(np.int64)
    given = _pair(before[:, victim.target].mean(), after[:, victim.target].mean())

    def f1(said: NDArray[np.bool_], kind: str) -> float:
        return (micro_f1 if kind == "micro" else macro_f1)(truth, said.astype(np.int64))

    return {
        "accuracy": _pair((before == truth).mean(), (after == truth).mean()),
        "micro F1": _pair(f1(before, "micro"), f1(after, "micro")),
        "macro F1": _pair(f1(before, "macro"), f1(after, "macro")),
        "ASR": given if name == "triggered, without the target" else None,
        "TACC": given if name == "triggered, with the target" else None,
        "flagged": 100 * float(run.flagged.mean()),
        "answers changed": int((before != after).sum()),
    }


def _pair(before: float, after: float) -> str:
    return f"{100 * before:.1f} → {100 * after:.1f}"


def _written(path: Path, rows: MultiLabelRows, names: tuple[str, ...]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        for text, has in zip(rows.texts, rows.labels, strict=True):
            given = [name for name, is_there in zip(names, has, strict=True) if is_there]
            writer.writerow((text, BAR.join(given)))
    return path


def _report(*step: object) -> None:
    print(*step, file=sys.stderr)


if __name__ == "__main__":
    main()
