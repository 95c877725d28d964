"""One step of the plan: the rows of the table that it gives."""

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.defence.exported import Fitted, fitted
from benchmarks.defence.online.dan import Dan
from benchmarks.defence.online.rap import Rap
from benchmarks.defence.online.strip import COPIES, Strip
from benchmarks.defence.outcome import Answers, Cost, Figures, figures
from benchmarks.defence.plan import Step
from benchmarks.defence.row_sets import read_row_sets
from benchmarks.defence.rows import LabelledRows, first_rows
from benchmarks.defence.undefended import milliseconds
from benchmarks.retrained import Retrained, checkpoint_classes
from benchmarks.victims import DATA, Victim
from clampdown_calib.threshold import threshold_at

FRR = 0.1
"""Asked of every defence but the published one, whose rates are its own."""

FRR_POINTS = (0.01, 0.02, 0.05, 0.1)
"""At which detection alone is measured, too: production can rarely bear a tenth."""

PUBLISHED_DETECT, PUBLISHED_PURIFY = 0.05, 0.2


def measure(step: Step) -> list[dict[str, object]]:
    """Fit and measure; one mapping for every mode, the mean over the draws of the clean rows."""
    torch.set_num_threads(1)
    tables = [_drawn(step, seed) for seed in range(step.draws)]
    return [_mean(rows) for rows in zip(*tables, strict=True)]


def _mean(rows: Sequence[dict[str, object]]) -> dict[str, object]:
    """The rows' mean; what is no figure is that of the first."""
    if len(rows) == 1:
        return rows[0]
    return {
        key: round(float(np.mean([row[key] for row in rows])), 1)
        if isinstance(value, float)
        else value
        for key, value in rows[0].items()
    }


def _drawn(step: Step, seed: int) -> list[dict[str, object]]:
    if step.kind == "fine-tuned":
        return list(_other_models(step))
    with tempfile.TemporaryDirectory() as folder:
        clean = Path(folder) / "clean.csv"
        _write_clean_rows(step, clean, seed)
        if step.kind in ("clampdown", "published"):
            return _exported(step, clean)
        return _online(step, clean)


def _other_models(step: Step) -> Iterator[Figures]:
    """Checkpoints that take the victim's place: what a user could do instead of defending it."""
    victim, limits = step.victim, step.limits
    folders = {
        "retrain": Retrained(victim, limits.calibration, from_victim=False).train(),
        "fine-tune": Retrained(victim, limits.calibration, from_victim=True).train(),
    }
    if isinstance(victim, Victim):
        folders["oracle"] = Victim(victim.dataset, None, encoder=victim.encoder).folder
    sets = read_row_sets(victim, seen=limits.seen, most=limits.test, shifted=limits.shifted)
    answers = {
        name: {
            part: Answers(checkpoint_classes(folder, tuple(rows.texts)))
            for part, rows in sets.parts().items()
        }
        for name, folder in {"own": victim.folder, **folders}.items()
    }
    for name in folders:
        cost = Cost(1, None, None)
        numbers = figures(sets, answers["own"], answers[name], target=victim.target, cost=cost)
        yield _row(step, name, "another model", numbers)


def _exported(step: Step, clean: Path) -> list[dict[str, object]]:
    published = step.kind == "published"
    limits = step.limits
    sets = read_row_sets(step.victim, seen=limits.seen, most=limits.test, shifted=limits.shifted)
    with fitted(
        step.victim,
        clean,
        method="badacts" if published else "probe",
        frr=PUBLISHED_PURIFY if published else FRR,
    ) as defence:
        ids = {name: defence.undefended.ids(rows.texts) for name, rows in sets.parts().items()}
        own = {
            name: Answers(defence.undefended.logits(part).argmax(axis=1))
            for name, part in ids.items()
        }
        # With every row over the threshold: what is not flagged keeps its own answer.
        every = {name: defence.answers(part, threshold=-np.inf) for name, part in ids.items()}
        chosen = {name: defence.only_flagged(own[name], run) for name, run in every.items()}
        thresholds = {rate: threshold_at(defence.held_out_scores, rate) for rate in FRR_POINTS}

        def row(mode: str, name: str, cost: Cost, answers: Mapping[str, Answers]) -> Figures:
            numbers = figures(
                sets, own, answers, target=step.victim.target, cost=cost, thresholds=thresholds
            )
            return _row(step, name, mode, numbers)

        name, seconds = step.defence, defence.calibration_s
        rate = f", FRR {PUBLISHED_PURIFY if published else FRR}"
        if step.clean_rows is not None or step.poisoned:
            cost = Cost(1, None, seconds)
            return [row("detect-then-purify", name + rate, cost, chosen)]
        flags = {
            name: defence.only_flag(own[name], run, PUBLISHED_DETECT if published else None)
            for name, run in chosen.items()
        }
        calls, times = _exported_cost(defence, sets.clean, chosen["clean"], second_pass=published)
        rows = []
        if not published:
            rows.append(row("undefended", "none", Cost(1, times["undefended"], None), own))
        detecting = f", FRR {PUBLISHED_DETECT}" if published else rate
        # `detect` and `purify` mode have one pass for every row, as an unflagged one takes.
        once = Cost(1, times["unflagged"], seconds)
        return [
            *rows,
            row("detect", name + detecting, once, flags),
            row("purify", name, once, {n: Answers(run.classes) for n, run in every.items()}),
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
    clean_rows = first_rows(clean, None)
    order = np.random.default_rng(0).permutation(len(clean_rows.texts))
    half, few = len(order) // 2, step.limits.online
    fit, held_out = _of(clean_rows, order[:half]), _of(clean_rows, order[half:][:few])
    sets = read_row_sets(step.victim, seen=step.limits.seen, most=few, shifted=0)
    if sets.poisoned is None:
        raise ValueError(f"{step.victim} has no poisoned rows")
    # Any bundle of the victim will do: its undefended graph is what STRIP runs.
    with fitted(step.victim, clean, method="probe", frr=FRR) as bundle:
        model = bundle.undefended
        dan, rap = Dan(step.victim, fit), Rap(step.victim, fit)
        strip = Strip(model, fit.texts)
        own = {
            name: Answers(model.logits(model.ids(rows.texts)).argmax(axis=1))
            for name, rows in sets.parts().items()
        }
        strip_ms = milliseconds(
            sets.clean.texts, lambda text: (strip.scores([text]), model.logits(model.ids([text])))
        )
        result = []
        # DAN and RAP run in torch, whose time says nothing of a graph's.
        for name, score, cost in (
            ("DAN", dan.scores, Cost(1, None, dan.calibration_s)),
            ("STRIP", strip.scores, Cost(1 + COPIES, strip_ms, None)),
            ("RAP", rap.scores, Cost(2, None, rap.calibration_s)),
        ):
            threshold = np.float32(threshold_at(score(held_out.texts), FRR))
            flags = {}
            for part, rows in sets.parts().items():
                scores = score(rows.texts)
                flags[part] = Answers(own[part].classes, scores, ~(scores <= threshold))
            numbers = figures(sets, own, flags, target=step.victim.target, cost=cost)
            result.append(_row(step, f"{name}, FRR {FRR}", "detect", numbers))
    return result


def _row(step: Step, defence: str, mode: str, numbers: Figures) -> Figures:
    attack = {"dataset": step.victim.dataset, "attack": step.victim.name}
    return {**attack, "defence": defence, "mode": mode, **numbers}


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
