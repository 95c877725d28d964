"""What a defence did to every kind of rows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.defence.row_sets import RowSets
from clampdown.measure.evaluate import auroc


@dataclass(frozen=True, slots=True)
class Answers:
    """What a defence gave for some rows.

    Attributes:
        classes: int64 ``[n]``, the predictions.
        scores: float32 ``[n]``, high is abnormal; None where the defence has none.
        flagged: bool ``[n]``; None where it flags nothing.
    """

    classes: NDArray[np.int64]
    scores: NDArray[np.float32] | None = None
    flagged: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What a defence costs.

    Attributes:
        calls_per_row: runs of the model for a clean row.
        ms_per_row: milliseconds for a clean row, batch 1, one thread.
        calibration_s: seconds until it can be used.
    """

    calls_per_row: float
    ms_per_row: float | None
    calibration_s: float | None


Figures = dict[str, object]


def figures(
    sets: RowSets,
    undefended: Mapping[str, Answers],
    defended: Mapping[str, Answers],
    *,
    target: int,
    cost: Cost,
    thresholds: Mapping[float, float] | None = None,
) -> Figures:
    """The columns of the table; percentages are 0 to 100, None is what does not apply.

    Args:
        sets: the rows.
        undefended: the victim's own answers, by the name of the set.
        defended: the defence's.
        target: the class that the trigger leads to.
        cost: of the defence.
        thresholds: of the score, by the false rejection rate that each was set for. `tpr` has the
            shares of clean and of poisoned rows over each.
    """
    accuracy = {
        name: [_percent(given[name].classes == rows.labels) for given in (undefended, defended)]
        for name, rows in sets.parts().items()
    }
    cacc = accuracy["clean"][1]
    pacc, tacc = (accuracy.get(name, [None, None])[1] for name in ("poisoned", "triggered"))
    clean, poisoned = defended["clean"], defended.get("poisoned")
    asr = None if poisoned is None else _percent(poisoned.classes == target)
    was, now = (given["clean"].classes == sets.clean.labels for given in (undefended, defended))
    shifted = {name: accuracy[name] for name in sets.shifted}
    losses = [before - after for before, after in shifted.values()]
    result: Figures = {
        "cacc": cacc,
        "cacc_loss": round(accuracy["clean"][0] - cacc, 1),
        "pacc": pacc,
        "tacc": tacc,
        "bpacc": None if pacc is None or tacc is None else round((pacc + tacc) / 2, 1),
        "asr": asr,
        "score": None if asr is None else round(math.sqrt(cacc * (100 - asr)), 1),
        "auroc": None,
        "auroc_shifted": None,
        "frr": None if clean.flagged is None else _percent(clean.flagged),
        "far": None,
        "shifted_loss": round(float(np.mean(losses)), 1) if losses else None,
        "shifted_worst": round(max(losses), 1) if losses else None,
        "calls_per_row": round(cost.calls_per_row, 2),
        "ms_per_row": None if cost.ms_per_row is None else round(cost.ms_per_row, 2),
        "calibration_s": None if cost.calibration_s is None else round(cost.calibration_s, 1),
        "shifted": shifted,
        "flips": [int((was & ~now).sum()), int((~was & now).sum())],
        "tpr": None,
    }
    if poisoned is not None and poisoned.flagged is not None:
        result["far"] = _percent(~poisoned.flagged)
    if poisoned is not None and poisoned.scores is not None and clean.scores is not None:
        result["auroc"] = round(100 * auroc(clean.scores, poisoned.scores), 1)
        beside = [
            auroc(scores, poisoned.scores)
            for name in sets.shifted
            if (scores := defended[name].scores) is not None
        ]
        result["auroc_shifted"] = round(100 * float(np.mean(beside)), 1) if beside else None
        result["tpr"] = {
            f"{rate:g}": [_share_over(scores, at) for scores in (clean.scores, poisoned.scores)]
            for rate, at in (thresholds or {}).items()
        }
    return result


def _share_over(scores: NDArray[np.float32], threshold: float) -> float:
    return _percent(~(scores <= np.float32(threshold)))


def _percent(rows: NDArray[np.bool_]) -> float:
    return round(100 * float(rows.mean()), 1)
