"""What every part of the default defence and every number in it is worth.

Each victim is run once, in torch; what is fitted on its clean rows is fitted again with one part
left out or one number changed, in NumPy. Writes ``docs/results/ablation``.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.defence.measure import FRR
from benchmarks.defence.outcome import Answers, Cost, figures
from benchmarks.defence.plan import LIMITS
from benchmarks.defence.row_sets import RowSets, read_row_sets
from benchmarks.defence.rows import first_rows
from benchmarks.demo_victim import DemoVictim
from benchmarks.results import Row, write_results
from benchmarks.victims import ATTACKS, CACHE, LABELS, Victim
from clampdown_calib.detectors import ExcessDetector
from clampdown_calib.evidence import answer, discriminants, probes
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_calib.rows import folds
from clampdown_calib.rows.clean_rows import EncodedRows
from clampdown_calib.rows.clean_run import CleanRun, run_clean_rows
from clampdown_calib.threshold import threshold_at

AVERAGED = ("bpacc", "pacc", "tacc", "cacc_loss", "shifted_loss", "auroc", "auroc_shifted", "frr")


@dataclass(frozen=True, slots=True)
class Variant:
    """The default with something changed.

    Attributes:
        name: in the table.
        constants: other values of ``module.NAME``.
        hard: a flagged row is answered by the surest contradiction alone, nothing is mixed.
        frr: false rejection rate asked for.
    """

    name: str
    constants: Mapping[tuple[Any, str], object]
    hard: bool = False
    frr: float = FRR

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """The constants are changed inside."""
        with ExitStack() as stack:
            for (module, name), value in self.constants.items():
                stack.enter_context(patch.object(module, name, value))
            yield


def variants() -> Iterator[Variant]:
    """The default first."""
    yield Variant("default", {})
    yield Variant("nothing mixed: the most contradicted probe answers", {}, hard=True)
    for prior in (0.003, 0.01, 0.03, 0.05, 0.1):
        fixed = {(answer, "PRIORS"): (prior, prior)}
        yield Variant(f"prior {prior:g}, not fitted", fixed)
    yield Variant("prior up to 0.1", {(answer, "PRIORS"): (0.01, 0.1)})
    yield Variant("prior up to 0.5", {(answer, "PRIORS"): (0.01, 0.5)})
    for share in (1.0, 0.7, 0.3):
        yield Variant(f"forced right {share:g}", {(answer, "FORCED_RIGHT"): share})
    for strength in (0.5, 0.9):
        yield Variant(f"shrinkage {strength:g}", {(discriminants, "SHRINKAGE"): strength})
    yield Variant("5 folds", {(folds, "FOLDS"): 5})
    yield Variant("probes of two thirds of the layers", _probing(lambda count: 2 * count // 3))
    yield Variant("probes of half of the layers", _probing(lambda count: count // 2))
    yield Variant("a probe of the first layer alone", _probing(lambda _: 1))
    yield Variant("flagged 5%", {}, frr=0.05)


def _probing(count: Any) -> Mapping[tuple[Any, str], object]:  # noqa: ANN401 - a plain function
    return {(probes, "probed_layers"): count}


def main() -> None:
    """Run the victims, measure the variants, write the table."""
    torch.set_num_threads(1)
    victims: list[Victim | DemoVictim] = [DemoVictim(CACHE / "demo")]
    victims += [Victim(dataset, attack) for dataset in LABELS for attack in (*ATTACKS, None)]
    tables: dict[str, list[Row]] = {variant.name: [] for variant in variants()}
    for victim in victims:
        victim.train()
        print(victim.dataset, victim.name, file=sys.stderr, flush=True)
        sets, calibration, runs = _run(victim)
        for variant in variants():
            with variant.applied():
                tables[variant.name].append(_measured(variant, victim, sets, calibration, runs))
    rows = [{"variant": name, **_summary(rows)} for name, rows in tables.items()]
    notes = [
        "Means over the victims of SST-2 and AG News (bpacc: those with both kinds of triggered "
        "rows); `clean_models` is the largest loss of the two without a backdoor, "
        "`demo` the bpacc of the demo's victim, `worst` the largest loss on any shifted set and "
        "`plain` on the plain sentences, in percent. The default as a graph is in defence.md.",
    ]
    write_results("ablation", rows, notes)


def _run(victim: Victim | DemoVictim) -> tuple[RowSets, CleanRun, dict[str, CleanRun]]:
    """The victim's run of its clean rows and of every set of test rows."""
    limits = LIMITS[victim.dataset]
    folder = open_model(victim.folder)
    tokenization = load_tokenization(folder)
    source = TorchClassifier.load(folder, tokenization.inputs)
    sets = read_row_sets(victim, seen=limits.seen, most=limits.test, shifted=limits.shifted)
    clean = first_rows(victim.calibration, limits.calibration)

    def run(texts: Any, labels: NDArray[np.int64]) -> CleanRun:  # noqa: ANN401
        ids = tokenization.encode(list(texts))
        return run_clean_rows(source, EncodedRows(ids, labels, tokenization))

    runs = {name: run(rows.texts, rows.labels) for name, rows in sets.parts().items()}
    return sets, run(clean.texts, clean.labels), runs


def _measured(
    variant: Variant,
    victim: Victim | DemoVictim,
    sets: RowSets,
    clean: CleanRun,
    runs: Mapping[str, CleanRun],
) -> Row:
    detector, unseen = ExcessDetector.cross_fit(clean)
    threshold = np.float32(threshold_at(unseen.scores, variant.frr))
    fitted = Answer.fit(clean, unseen, float(threshold))
    own, defended = {}, {}
    for name, run in runs.items():
        said = detector.probes.logits(run.pooled)
        excess = detector.excess(run.logits, said)
        scores = excess.max(axis=1)
        if variant.hard:
            answers = said[np.arange(len(said)), excess.argmax(axis=1)]
        else:
            answers = fitted.logits(said, excess, run.logits)
        predicted, flagged = run.logits.argmax(axis=1), ~(scores <= threshold)
        own[name] = Answers(predicted)
        classes = np.where(flagged, answers.argmax(axis=1), predicted)
        defended[name] = Answers(classes, scores, flagged)
    cost = Cost(1, None, None)
    about: dict[str, object] = {"dataset": victim.dataset, "attack": victim.attack or "none"}
    return {**about, **figures(sets, own, defended, target=victim.target, cost=cost)}


def _summary(rows: list[Row]) -> Row:
    attacked = [row for row in rows if row["dataset"] in LABELS and row["attack"] in ATTACKS]
    summary: dict[str, object] = {}
    for column in AVERAGED:
        known = [value for row in attacked if isinstance(value := row[column], float)]
        summary[column] = round(float(np.mean(known)), 2)
    losses: list[Any] = [row["cacc_loss"] for row in rows if row["attack"] == "none"]
    shifted: list[Any] = [row["shifted"] for row in rows]
    [demo] = [row["bpacc"] for row in rows if row["dataset"] == "tweets"]
    plain = [
        before - after for s in shifted for before, after in [s.get("plain sentences", (0, 0))]
    ]
    summary["worst"] = max(row["shifted_worst"] for row in rows)  # type: ignore[type-var]
    return {**summary, "plain": max(plain), "clean_models": max(losses), "demo": demo}


if __name__ == "__main__":
    main()
