import numpy as np
import pytest

from clampdown_exporter.report.figures import measure_figures
from clampdown_exporter.report.wilson import wilson_interval

# Rows 0 to 9; at threshold 1.0 the last four are flagged: 1.5, 2.0, NaN, infinity.
SCORES = [0.1, 0.2, 0.3, 0.4, 0.5, 1.0, 1.5, 2.0, np.nan, np.inf]
BEFORE = [1, 1, 1, 1, 0, 0, 1, 1, 0, 1]
PURIFIED = [0, 1, 1, 1, 1, 0, 0, 1, 1, 1]
CHANGED = [1, 0, 0, 0, 1, 1, 1, 0, 1, 0]


def tensors(*, labels=True):
    measured = {
        "clean.fit_scores": np.zeros(7, np.float32),
        "clean.held_out_scores": np.array(SCORES, np.float32),
        "clean.changed": np.array(CHANGED, np.uint8),
        "latency.unflagged": np.array([1.01], np.float32),
        "latency.flagged": np.array([1.8], np.float32),
    }
    if labels:
        measured["clean.correct_undefended"] = np.array(BEFORE, np.uint8)
        measured["clean.correct_purified"] = np.array(PURIFIED, np.uint8)
    return measured


@pytest.mark.parametrize(
    ("mode", "right_after", "changed"),
    [
        # Rows 0 to 5 as before: 4 right; rows 6 to 9 purified: 0, 1, 1, 1.
        ("detect-then-purify", 7, 2),
        ("purify", 7, 5),
        ("detect", 7, 0),
    ],
)
def test_accuracy_and_changes_follow_the_mode(mode, right_after, changed):
    figures = measure_figures(mode, 1.0, tensors())
    assert (figures.right_before, figures.right_after, figures.changed) == (7, right_after, changed)
    assert (figures.accuracy_before, figures.accuracy_after) == (0.7, right_after / 10)


def test_accuracy_after_takes_each_row_from_its_own_pass():
    given = tensors()
    given["clean.correct_undefended"] = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], np.uint8)
    given["clean.correct_purified"] = np.array([0, 0, 0, 0, 0, 0, 1, 1, 0, 0], np.uint8)
    after = {
        mode: measure_figures(mode, 1.0, given).right_after
        for mode in ("detect-then-purify", "purify", "detect")
    }
    assert after == {"detect-then-purify": 5, "purify": 2, "detect": 3}


def test_scores_over_the_threshold_and_unusable_ones_are_flagged():
    figures = measure_figures("detect", 1.0, tensors())
    assert (figures.flagged, figures.rows, figures.fit_rows) == (4, 10, 7)
    assert figures.frr == 0.4
    assert figures.frr_interval == wilson_interval(4, 10)


def test_the_threshold_is_compared_as_the_graph_does():
    given = tensors()
    given["clean.held_out_scores"] = np.full(10, 0.1, np.float32)
    assert measure_figures("detect", 0.1, given).flagged == 0


def test_without_labels_there_is_no_accuracy():
    figures = measure_figures("detect-then-purify", 1.0, tensors(labels=False))
    assert figures.accuracy_before is None
    assert figures.accuracy_after is None
    assert figures.changed == 2


def test_only_a_second_pass_has_a_latency_of_its_own():
    both = measure_figures("detect-then-purify", 1.0, tensors())
    assert (both.unflagged_latency, both.flagged_latency) == pytest.approx((1.01, 1.8))
    for mode in ("purify", "detect"):
        figures = measure_figures(mode, 1.0, tensors())
        assert figures.flagged_latency is None
        assert figures.unflagged_latency == pytest.approx(1.01)
