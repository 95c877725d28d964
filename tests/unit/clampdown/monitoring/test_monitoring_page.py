"""The page of a log: well-formed, safe, and its drawings have the log's figures."""

import dataclasses
import html

import numpy as np
import pytest
from monitor_samples import LABELS, attacked, calibrated, periods, scores
from report_samples import Balance, manifest, words

from clampdown.monitoring.page import draw_scores, draw_time, render_page
from clampdown_runtime import ModelIdentity
from clampdown_runtime.monitor import judge


@pytest.fixture(scope="module")
def log():
    random = np.random.default_rng(0)
    return list(periods(calibrated(random), attacked(random, 4000, 0.1)[0]))


def page_of(log, clean_changed=None, **changes):
    of = manifest(labels=LABELS, **changes)
    return render_page(of, "sha256:0", log, judge(log), clean_changed)


def test_the_page_is_well_formed_and_says_what_was_found(log):
    page = page_of(log)
    Balance().feed(page)
    read = words(page)
    assert "4,000 rows: more of them lie high" in read
    assert judge(log).advice in read
    flagged = sum(sum(period.flagged) for period in log)
    assert f"{flagged / 4000:.1%} {flagged:,} of 4,000 rows" in read
    # Nothing is fetched and nothing runs.
    assert not any(word in page for word in ("<script", "http:", "https:", "@import"))


def test_without_an_alarm_there_is_none_on_the_page():
    random = np.random.default_rng(0)
    read = words(page_of(list(periods(calibrated(random), scores(random, 1000)))))
    assert "scored as the clean rows were" in read
    assert "Alarm." not in read


def test_what_comes_from_the_model_is_escaped(log):
    evil = "<script>alert(1)</script>\"'><img onerror=x>"
    named = [dataclasses.replace(period, labels=(evil, "b")) for period in log]
    page = page_of(named, model=ModelIdentity(evil, evil, "sha256:0"))
    assert "<script" not in page
    assert "<img" not in page
    assert html.escape(evil)[:30] in page
    Balance().feed(page)


def test_the_label_of_a_flagged_row_is_explained_by_mode(log):
    assert "need not be the one that an attacker was after" in words(page_of(log))
    assert "it is the model's own" in words(page_of(log, mode="detect"))


def test_changed_answers_stand_beside_the_models_labels(log):
    assert "changed" not in words(page_of(log)).split("By label")[1].split("What was tested")[0]
    known = [
        dataclasses.replace(period, changed=period.flagged, compared=sum(period.rows))
        for period in log
    ]
    page = page_of(known, 0.012)
    Balance().feed(page)
    flagged = sum(sum(period.flagged) for period in log)
    read = words(page)
    assert f"Answers changed {flagged / 4000:.1%} {flagged:,} of 4,000 rows" in read
    assert "of the held-out clean rows 1.2%" in read
    total = sum(log[1:], log[0])
    labels = read.split("By label")[1]
    for at, label in enumerate(LABELS):
        of = (total.rows[at], total.flagged[at], total.beyond[at], total.flagged[at])
        assert " ".join([label, *(f"{count:,}" for count in of)]) in labels


def test_columns_are_the_shares_of_the_bins(log):
    scale, total = log[0].scale, sum(log[1:], log[0])
    drawing = draw_scores(scale, total.scores)
    assert len(drawing.columns) == len(scale.clean)
    assert [column.high for column in drawing.columns].index(True) == scale.threshold + 1
    heights = np.array([column.height for column in drawing.columns])
    marks = np.array([column.clean for column in drawing.columns])
    # Both to the same scale.
    unit = heights[0] / total.scores[0]
    np.testing.assert_allclose(heights / unit, total.scores)
    np.testing.assert_allclose(marks / unit / 4000, np.array(scale.clean) / 400)
    assert heights.max() <= 100


def test_a_long_log_is_drawn_in_parts(log):
    many = log * 20
    drawing = draw_time(many)
    assert len(drawing.columns) <= 60
    assert drawing.columns[-1].text.split(":")[0].endswith("80,000")
    assert sum(column.width for column in drawing.columns) == pytest.approx(100)
