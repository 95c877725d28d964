"""What a report says: figures, rates, limits, digests, and odd measurements."""

import re

import numpy as np
import pytest
from report_samples import (
    DIGESTS,
    METHODS,
    MODEL_DIGEST,
    MODES,
    ROWS,
    Balance,
    report,
    tensors,
    words,
)


# 19 of 200: Wilson 0.0617 to 0.1435. Of the flagged rows 181 to 199 the rows 185 and 195 are
# changed, both from right to wrong; the undefended model is wrong on every tenth row.
def test_key_figures_of_detect_then_purify():
    text = words(report())
    assert "clean rows flagged 9.5% 19 of 200 rows; 95% interval 6.2% to 14.4% (Wilson)." in text
    assert "Asked for: 10%." in text
    assert "90.0% → 89.0%" in text
    assert "Right on 180 → 178 of 200 rows held out." in text
    assert "The defence changes the prediction of 2 rows." in text
    assert "0.99× unflagged 1.84× flagged" in text
    assert "Mode detect-then-purify Threshold 180;" in text
    assert "Clean rows 200 to fit, 200 held out" in text


def test_key_figures_of_purify():
    text = words(report(mode="purify"))
    assert "90.0% → 80.0%" in text
    assert "changes the prediction of 20 rows." in text
    assert "0.99× every text" in text
    assert "1.84×" not in text


def test_key_figures_of_detect():
    text = words(report(mode="detect"))
    assert "90.0% → 90.0%" in text
    assert "This mode changes no prediction." in text
    assert "0.99× every text" in text


@pytest.mark.parametrize(
    ("mode", "changed"),
    [
        ("detect-then-purify", "1.0% 2 of 200"),
        ("purify", "10.0% 20 of 200"),
        ("detect", "0.0% 0 of 200"),
    ],
)
def test_without_labels_the_changed_predictions_stand_for_accuracy(mode, changed):
    text = words(report(mode=mode, rows_labelled=False))
    assert f"Clean predictions changed {changed} rows held out." in text
    assert "Clean accuracy" not in text


def test_a_rate_that_was_asked_for_is_said_not_to_be_independent():
    text = words(report())
    assert "The same rows set the threshold, so this figure is not independent" in text
    assert "about 10% are flagged on average" in text


def test_a_threshold_set_by_value_promises_no_rate():
    text = words(report(frr=None))
    assert "No rate was asked for: the threshold was set by value." in text
    assert "The same rows set the threshold" not in text
    assert "flagged on average" not in text


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
def test_page_says_where_purified_predictions_come_from(mode, method):
    text = words(report(mode=mode, method=method))
    clips, purifies = method == "badacts", mode != "detect"
    probes = purifies and not clips
    assert ("from clipped activations" in text) == (clips and purifies)
    assert ("from what its earlier layers say and its own answer, weighed" in text) == probes
    assert ("stays inside the interval" in text) == (clips and purifies)
    assert ("what the model says" in text) == (probes and mode == "purify")
    assert ("only where probes of the earlier layers" in text) == (probes and mode != "purify")
    assert ("merely unlike the clean rows is no reason" in text) == (probes and mode != "purify")
    assert ("judged by a defence that was fitted without it" in text) == (not clips)
    assert ("The defence was not fitted on these rows" in text) == clips
    assert ("Clean rows 200 to fit, 200 held out" in text) == clips
    assert ("Clean rows 200, each held out of one of ten fits" in text) == (not clips)
    assert ("the earlier layers already read as evidence" in text) == probes
    assert ("can get a wrong label where the probes err" in text) == probes
    said = {
        "probe": "a mixture of the probes’ and the model’s probabilities",
        "badacts": "a run clipped into intervals of the published schedule",
    }[method]
    assert f"Purification {said}" in text
    assert ("not applied in this mode" in text) == (not purifies)


@pytest.mark.parametrize("method", METHODS)
def test_widths_are_drawn_where_there_are_intervals(method):
    page = report(method=method)
    assert ("Interval widths by layer" in words(page)) == (method == "badacts")
    assert page.count('role="img"') == (1 if method == "probe" else 2)


@pytest.mark.parametrize(
    ("method", "representation", "said"),
    [
        ("probe", "first", "Excess: how much further the predicted label leads in the logits"),
        ("badacts", "last", "neurons in an abnormal state, read at the last token"),
    ],
)
def test_detector_is_described(method, representation, said):
    text = words(report(method=method, representation=representation))
    assert said in text
    suspects = "surer than its own earlier layers account for", "look unlike clean ones"
    assert [one in text for one in suspects] == [method == "probe", method == "badacts"]


@pytest.mark.parametrize("method", METHODS)
def test_attacker_who_knows_the_defence_is_told_of(method):
    text = words(report(method=method))
    ways = "persuade the earlier layers too", "keep activations close to clean ones"
    assert [one in text for one in ways] == [method == "probe", method == "badacts"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
def test_limits_are_said_in_plain_words(mode, method):
    text = words(report(mode=mode, method=method))
    assert "It does not prove that a model has no backdoor" in text
    assert "If the clean rows were poisoned themselves" in text
    assert "False rejections of clean texts are the price" in text
    assert "An attacker who knows the defence" in text
    assert "drift away from the clean rows" in text
    assert ("pass with their original prediction" in text) == (mode != "purify")
    assert ("Purification weakens triggers; it need not stop one." in text) == (mode != "detect")
    assert ("In this mode the logits are the undefended ones." in text) == (mode == "detect")
    assert ("The caller must act on flagged" in text) == (mode == "detect")


def test_only_int8_rows_are_said_to_influence_each_other():
    singly, apart = "are run one at a time", "depends neither on the other texts of its batch"
    for precision, (said, unsaid) in {
        "fp32": (apart, singly),
        "fp16": (apart, singly),
        "int8": (singly, apart),
    }.items():
        page = words(report(precision=precision))
        assert said in page and unsaid not in page


def test_every_digest_but_the_reports_own_is_there():
    page = report(files={**DIGESTS, "report.html": f"sha256:{99:064x}"})
    text = words(page)
    for path, digest in DIGESTS.items():
        assert f"{path} {digest}" in text
    assert f"the undefended model {MODEL_DIGEST}" in text
    assert f"{99:064x}" not in page
    assert page == report()


def test_versions_are_there():
    assert "onnxruntime 1.32.0 torch 2.13.0 bundle format 1" in words(report())


def test_equal_bundles_give_equal_reports():
    shuffled = report(
        files=dict(reversed(DIGESTS.items())), versions={"onnxruntime": "1.32.0", "torch": "2.13.0"}
    )
    assert report() == shuffled


def odd_tensors():
    few = tensors()
    scores = few["clean.held_out_scores"]
    with_nan, equal = scores.copy(), np.full_like(scores, 3)
    with_nan[:5] = np.nan
    nothing = np.full_like(scores, np.nan)
    return {
        "not finite": {"clean.held_out_scores": with_nan},
        "equal": {"clean.held_out_scores": equal, "clean.fit_scores": equal},
        "none finite": {"clean.held_out_scores": nothing, "clean.fit_scores": nothing},
        "endless intervals": {"upper": np.full_like(few["upper"], np.inf)},
        "no latency": {"latency.unflagged": np.array([np.nan], np.float32)},
        "huge": {"clean.held_out_scores": np.geomspace(1, 3e38, ROWS).astype(np.float32)},
    }


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("not finite", "0 rows used for fitting and 5 rows held out."),
        ("equal", "The threshold, 180, lies too far to the right of these scores to be drawn."),
        ("none finite", "No clean row has a finite anomaly score"),
        ("endless intervals", "Left out: 192 intervals without a finite width."),
        ("no latency", "not measured unflagged"),
        ("huge", "counted in the last bar."),
    ],
)
@pytest.mark.filterwarnings("error")
def test_odd_measurements_are_drawn_and_said(case, said):
    page = report(given=tensors(**odd_tensors()[case]))
    assert said in words(page)
    without_css = page[page.index("</style>") :]
    assert not re.search(r"\b(nan|inf)\b", without_css)
    Balance().feed(page)
