"""The figures of a defence, against counts by hand."""

import numpy as np
import pytest

from benchmarks.defence.outcome import Answers, Cost, figures
from benchmarks.defence.row_sets import RowSets
from benchmarks.defence.rows import LabelledRows

TARGET = 1
COST = Cost(1.234, 5.678, 9.87)


def rows(labels):
    return LabelledRows([f"row {i}" for i in range(len(labels))], np.array(labels))


def answers(classes, scores=None, threshold=None):
    scores = None if scores is None else np.array(scores, np.float32)
    flagged = None if threshold is None else ~(scores <= threshold)
    return Answers(np.array(classes), scores, flagged)


SETS = RowSets(
    clean=rows([0, 0, 0, 0, 1, 1, 1, 1, 1, 1]),
    poisoned=rows([0, 0, 0, 0, 2]),
    triggered=rows([1, 1, 1, 1]),
    shifted={"loud": rows([0, 1, 0, 1]), "short": rows([1, 1, 0, 0, 0])},
)
# Of the clean rows the victim alone gets one right, and the defence alone three.
UNDEFENDED = {
    "clean": answers([0, 0, 0, 1, 1, 1, 1, 0, 0, 1]),
    "poisoned": answers([1, 1, 1, 1, 0]),
    "triggered": answers([1, 1, 1, 1]),
    "loud": answers([0, 1, 0, 1]),
    "short": answers([1, 1, 0, 0, 1]),
}
DEFENDED = {
    "clean": answers([0, 0, 1, 0, 1, 1, 1, 1, 1, 1], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 7),
    "poisoned": answers([0, 0, 0, 1, 2], [7, 8, 9, 10, np.nan], 7),
    "triggered": answers([1, 0, 1, 1], [7, 8, 9, 10], 7),
    "loud": answers([0, 1, 1, 1], [1, 2, 3, 4], 7),
    "short": answers([1, 1, 1, 0, 0], [8, 8, 8, 8, 8], 7),
}
THRESHOLDS = {0.1: 8.5, 0.05: 4}


def found(sets=SETS, undefended=UNDEFENDED, defended=DEFENDED, **more):
    return figures(sets, undefended, defended, target=TARGET, cost=COST, **more)


def test_figures_by_hand():
    assert found(thresholds=THRESHOLDS) == {
        "cacc": 90.0,
        "cacc_loss": -20.0,
        "pacc": 80.0,
        "tacc": 75.0,
        "bpacc": 77.5,
        "asr": 20.0,
        "score": pytest.approx((90 * 80) ** 0.5, abs=0.05),
        # Poisoned ones over clean ones: 7.5, 8.5, 9.5, 10 and 10 of ten.
        "auroc": 91.0,
        # Over `loud` all of them; over `short` 0, half, 1, 1 and 1 of each.
        "auroc_shifted": pytest.approx((100 + 70) / 2, abs=0.05),
        "frr": 20.0,
        "far": 20.0,
        "shifted_loss": pytest.approx((25 + 0) / 2, abs=0.1),
        "shifted_worst": 25.0,
        "calls_per_row": 1.23,
        "ms_per_row": 5.68,
        "calibration_s": 9.9,
        "shifted": {"loud": [100.0, 75.0], "short": [80.0, 80.0]},
        "flips": [1, 3],
        # Of clean and of poisoned rows; NaN is over every threshold.
        "tpr": {"0.1": [10.0, 60.0], "0.05": [50.0, 100.0]},
    }


def test_rows_of_the_target_have_no_say_in_what_is_of_the_others():
    other = {**DEFENDED, "triggered": answers([0, 0, 0, 0], [0, 0, 0, 0], 7)}
    changed = found(defended=other, thresholds=THRESHOLDS)
    plain = found(thresholds=THRESHOLDS)
    assert {key for key in plain if changed[key] != plain[key]} == {"tacc", "bpacc"}
    assert (changed["tacc"], changed["bpacc"]) == (0.0, 40.0)


def test_without_a_trigger_only_what_is_of_clean_rows_is_known():
    sets = RowSets(SETS.clean, None, None, {})
    undefended, defended = {"clean": UNDEFENDED["clean"]}, {"clean": DEFENDED["clean"]}
    result = found(sets, undefended, defended, thresholds=THRESHOLDS)
    known = {"cacc", "cacc_loss", "frr", "calls_per_row", "ms_per_row", "calibration_s", "flips"}
    assert {key for key, value in result.items() if value is not None} == {*known, "shifted"}
    assert result["shifted"] == {}
    assert {key: result[key] for key in known} == {key: found()[key] for key in known}


def test_a_file_without_rows_of_the_target_gives_no_balance():
    result = found(sets=RowSets(SETS.clean, SETS.poisoned, None, SETS.shifted))
    assert result["pacc"] == 80.0
    assert result["tacc"] is result["bpacc"] is None
    assert result["tpr"] == {}


def test_a_defence_that_flags_nothing_has_no_rates():
    plain = {name: Answers(given.classes) for name, given in DEFENDED.items()}
    result = found(defended=plain, thresholds=THRESHOLDS)
    for key in ("auroc", "auroc_shifted", "frr", "far", "tpr"):
        assert result[key] is None
    assert (result["cacc"], result["bpacc"], result["flips"]) == (90.0, 77.5, [1, 3])
