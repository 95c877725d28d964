"""One step of the plan: the rows of the table that it gives."""

import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.defence.dan import Dan
from benchmarks.defence.exported import Fitted, fitted
from benchmarks.defence.outcome import Answers, Cost, Figures, figures
from benchmarks.defence.plan import Step
from benchmarks.defence.rap import Rap
from benchmarks.defence.rows import LabelledRows, first_rows
from benchmarks.defence.strip import COPIES, Strip
from benchmarks.defence.undefended import milliseconds
from benchmarks.victims import DATA
from clampdown_calib.threshold import threshold_at

FRR = 0.1
"""Asked of every defence but the published one, whose rates are its own."""

PUBLISHED_DETECT, PUBLISHED_PURIFY = 0.05, 0.2


def measure(step: Step) -> list[dict[str, object]]:
    """Fit and measure; one mapping for every mode, the mean over the draws of the clean rows."""
    torch.set_num_threads(1)
    tables = [_drawn(step, seed) for seed in range(step.draws)]
    return [_mean(rows) for rows in zip(*tables, strict=True)]


def _mean(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """The rows' mean; what is no figure is the same in all of them."""
    if len(rows) == 1:
        return rows[0]
    return {
        key: round(float(np.mean([row[key] for row in rows])), 1)
        if isinstance(value, float)
        else value
        for key, value in rows[0].items()
    }


def _drawn(step: Step, seed: int) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder) / "clean.csv"
        _write_clean_rows(step, clean, seed)
        if step.kind in ("clampdown", "published"):
            return _exported(step, clean)
        return _online(step, clean)


def _exported(step: Step, clean: Path) -> list[dict[str, object]]:
    published = step.kind == "published"
    with fitted(
        step.victim,
        clean,
        detector="nas" if published else "fusion",
        purification="published" if published else "votes",
        frr=PUBLISHED_PURIFY if published else FRR,
    ) as defence:
        test, poisoned = _test_rows(step, step.limits.test)

        def row(mode: str, name: str, cost: Cost, answers: list[Answers]) -> dict[str, object]:
            on_poisoned = answers[1] if len(answers) > 1 else None
            labels = poisoned.labels if poisoned else None
            numbers = figures(
                answers[0], test.labels, on_poisoned, labels, target=step.victim.target, cost=cost
            )
            return _row(step, name, mode, numbers)

        both = [defence.undefended.ids(rows.texts) for rows in (test, poisoned) if rows]
        chosen = [defence.answers(part) for part in both]
        name, seconds = step.defence, defence.calibration_s
        rate = f", FRR {PUBLISHED_PURIFY if published else FRR}"
        if step.clean_rows is not None:
            cost = Cost(1, None, seconds)
            return [row("detect-then-purify", name + rate, cost, chosen)]
        plain = [Answers(defence.undefended.logits(part).argmax(axis=1)) for part in both]
        every = [defence.answers(part, threshold=-np.inf) for part in both]
        every = [Answers(answers.classes) for answers in every]
        flags = [
            defence.only_flag(undefended, run, PUBLISHED_DETECT if published else None)
            for undefended, run in zip(plain, chosen, strict=True)
        ]
        calls, times = _exported_cost(defence, test, chosen[0], second_pass=published)
        rows = []
        if not published and not step.poisoned:
            rows.append(row("undefended", "none", Cost(1, times["undefended"], None), plain))
        detecting = f", FRR {PUBLISHED_DETECT}" if published else rate
        # `detect` and `purify` mode have one pass for every row, as an unflagged one takes.
        once = Cost(1, times["unflagged"], seconds)
        return [
            *rows,
            row("detect", name + detecting, once, flags),
            row("purify", name, once, every),
            row("detect-then-purify", name + rate, Cost(calls, times["clean"], seconds), chosen),
        ]


def _exported_cost(
    defence: Fitted, test: LabelledRows, clean: Answers, *, second_pass: bool
) -> tuple[float, dict[str, float]]:
    """Model runs for a clean row, and milliseconds: undefended, unflagged, clean traffic."""
    share = 0.0 if clean.flagged is None else float(clean.flagged.mean())
    model, classifier = defence.undefended, defence.classifier
    spent = {
        "undefended": milliseconds(test.texts, lambda text: model.logits(model.ids([text]))),
        "unflagged": milliseconds(
            test.texts, lambda text: classifier.run_ids(model.ids([text]), threshold=np.inf)
        ),
        "flagged": milliseconds(
            test.texts, lambda text: classifier.run_ids(model.ids([text]), threshold=-np.inf)
        ),
    }
    spent["clean"] = (1 - share) * spent["unflagged"] + share * spent["flagged"]
    return (1 + share if second_pass else 1.0), spent


def _online(step: Step, clean: Path) -> list[dict[str, object]]:
    """DAN, STRIP and RAP, which only flag."""
    rows = first_rows(clean, None)
    order = np.random.default_rng(0).permutation(len(rows.texts))
    half, few = len(order) // 2, step.limits.online
    fit, held_out = _of(rows, order[:half]), _of(rows, order[half:][:few])
    test, poisoned = _test_rows(step, few)
    if poisoned is None:
        raise ValueError(f"{step.victim} has no poisoned rows")
    # Any bundle of the victim will do: its undefended graph is what STRIP runs.
    with fitted(step.victim, clean, detector="nas", purification="votes", frr=FRR) as bundle:
        model = bundle.undefended
        dan, rap = Dan(step.victim, fit), Rap(step.victim, fit)
        strip = Strip(model, fit.texts)
        clean_classes, poisoned_classes = (
            model.logits(model.ids(of.texts)).argmax(axis=1) for of in (test, poisoned)
        )
        strip_ms = milliseconds(
            test.texts, lambda text: (strip.scores([text]), model.logits(model.ids([text])))
        )
        result = []
        # DAN and RAP run in torch, whose time says nothing of a graph's.
        for name, score, cost in (
            ("DAN", dan.scores, Cost(1, None, dan.calibration_s)),
            ("STRIP", strip.scores, Cost(1 + COPIES, strip_ms, None)),
            ("RAP", rap.scores, Cost(2, None, rap.calibration_s)),
        ):
            threshold = np.float32(threshold_at(score(held_out.texts), FRR))
            on_clean, on_poisoned = (score(of.texts) for of in (test, poisoned))
            numbers = figures(
                Answers(clean_classes, on_clean, ~(on_clean <= threshold)),
                test.labels,
                Answers(poisoned_classes, on_poisoned, ~(on_poisoned <= threshold)),
                poisoned.labels,
                target=step.victim.target,
                cost=cost,
            )
            result.append(_row(step, f"{name}, FRR {FRR}", "detect", numbers))
    return result


def _row(step: Step, defence: str, mode: str, numbers: Figures) -> dict[str, object]:
    attack = {"dataset": step.victim.dataset, "attack": step.victim.name}
    return {**attack, "defence": defence, "mode": mode, **numbers}


def _test_rows(step: Step, most: int | None) -> tuple[LabelledRows, LabelledRows | None]:
    poisoned = step.victim.poisoned_test
    seen = step.limits.seen
    test = first_rows(step.victim.clean_test, most, behind=seen)
    return test, None if poisoned is None else first_rows(poisoned, most, behind=seen)


def _of(rows: LabelledRows, index: NDArray[np.int64]) -> LabelledRows:
    return LabelledRows([rows.texts[i] for i in index], rows.labels[index])


def _write_clean_rows(step: Step, path: Path, seed: int) -> None:
    """The defender's rows; some carry the trigger where the step says so."""
    rows = first_rows(step.victim.calibration, step.limits.calibration)
    order = np.random.default_rng(seed).permutation(len(rows.texts))[: step.clean_rows]
    chosen = [(rows.texts[i], int(rows.labels[i])) for i in order]
    count = round(step.poisoned * len(chosen))
    if count:
        source = DATA / step.victim.dataset / str(step.victim.attack) / "poisoned-train.csv"
        with source.open(newline="", encoding="utf-8") as file:
            poison = [row for row in csv.DictReader(file) if row["poisoned"] == "1"]
        chosen[:count] = [(row["text"], int(row["label"])) for row in poison[:count]]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows(chosen)
