"""What a defence did to clean and to poisoned rows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clampdown.evaluate import auroc


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


Figures = dict[str, float | None]


def figures(
    clean: Answers,
    clean_labels: NDArray[np.int64],
    poisoned: Answers | None,
    poisoned_labels: NDArray[np.int64] | None,
    *,
    target: int,
    cost: Cost,
) -> Figures:
    """The columns of the table; percentages are 0 to 100, None is what does not apply."""
    result: Figures = {
        "cacc": _percent(clean.classes == clean_labels),
        **dict.fromkeys(("pacc", "asr", "auroc", "frr", "far")),
    }
    if clean.flagged is not None:
        result["frr"] = _percent(clean.flagged)
    if poisoned is not None:
        result["pacc"] = _percent(poisoned.classes == poisoned_labels)
        result["asr"] = _percent(poisoned.classes == target)
        if poisoned.flagged is not None:
            result["far"] = _percent(~poisoned.flagged)
        if poisoned.scores is not None and clean.scores is not None:
            result["auroc"] = round(100 * auroc(clean.scores, poisoned.scores), 1)
    result["calls_per_row"] = round(cost.calls_per_row, 2)
    result["ms_per_row"] = None if cost.ms_per_row is None else round(cost.ms_per_row, 2)
    result["calibration_s"] = None if cost.calibration_s is None else round(cost.calibration_s, 1)
    return result


def _percent(rows: NDArray[np.bool_]) -> float:
    return round(100 * float(rows.mean()), 1)
