"""What a run counts: labels, changed answers, and the scores beside the clean rows'."""

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from monitor_samples import give_clean_scores
from score_samples import TEXTS, results, write
from tiny_bundle import answering_itself, make_bundle

from clampdown_runtime import DefendedClassifier, open_bundle
from clampdown_runtime.monitor import clean_changed


def test_changed_answers_are_counted_beside_those_of_the_clean_rows(
    score, answering, bundle_path, seal, tmp_path
):
    shutil.copytree(answering, bundle_path, dirs_exist_ok=True)
    give_clean_scores(bundle_path, np.linspace(0, 4, 41), seal)
    expected = DefendedClassifier.load(bundle_path)(TEXTS)
    changed = 2 * sum(prediction.changed for prediction in expected)
    assert changed
    found = json.loads(score("--json", bundle=bundle_path).stdout)
    assert (found["changed"], found["clean_changed"]) == (
        changed,
        clean_changed(open_bundle(bundle_path)),
    )
    clean = f"{100 * found['clean_changed']:.2f}"
    line = f"answers changed  {changed} ({10 * changed:.2f}%; of clean rows {clean}%)"
    assert line in score(bundle=bundle_path).stdout
    # Both at the threshold that was asked for.
    shutil.rmtree(tmp_path / "out")
    every = json.loads(score("--json", "--threshold", "-5", bundle=bundle_path).stdout)
    assert (every["changed"], every["clean_changed"]) == (10, 20 / 41)


def test_of_many_labels_changed_sets_are_counted(score, tmp_path, seal):
    bundle = make_bundle(tmp_path / "many", multi_label=True, model=answering_itself())
    give_clean_scores(bundle, np.linspace(0, 4, 41), seal)
    expected = DefendedClassifier.load(bundle)(TEXTS)
    found = json.loads(score("--json", bundle=bundle).stdout)
    assert found["changed"] == 2 * sum(prediction.changed for prediction in expected) > 0


@pytest.mark.parametrize(("shift", "change"), [(0, "none"), (-30, "scores")])
def test_scores_are_held_against_the_clean_ones(
    score, rows, tmp_path, bundle_path, seal, classifier, shift, change
):
    """As the monitor holds those of a log."""
    texts = TEXTS * 60
    write(rows / "day=1" / "a.parquet", texts)
    write(rows / "day=2" / "a.parquet", [None, *texts])
    of_texts = np.array([one.anomaly_score for one in classifier(TEXTS)])
    clean = np.random.default_rng(0).choice(of_texts[np.isfinite(of_texts)], 400) + shift
    give_clean_scores(bundle_path, clean, seal)
    found = json.loads(score("--json", bundle=bundle_path).stdout)
    assert found["change"] == change
    assert ("Nothing to do" in found["advice"]) == (change == "none")
    assert sum(one["rows"] for one in found["scores"]) == 2 * len(texts)
    assert sum(one["clean"] for one in found["scores"]) == 400
    threshold = DefendedClassifier.load(bundle_path).manifest.threshold
    below = [one for one in found["scores"] if one["up_to"] is not None]
    passed = sum(one["rows"] for one in below if one["up_to"] <= np.float32(threshold))
    assert passed == 2 * len(texts) - found["flagged"]


def test_a_bundle_without_clean_scores_tells_nothing_of_the_traffic(score):
    found = json.loads(score("--json").stdout)
    assert (found["scores"], found["change"], found["advice"]) == (None, None, None)


def test_rows_of_many_labels_count_for_each_label_that_they_have(
    score, rows, tmp_path, many_labels, texts, seal
):
    bundle = shutil.copytree(many_labels, tmp_path / "bundle")
    give_clean_scores(bundle, np.arange(40), seal)
    write(rows / "b.parquet", [*texts, None])
    done = score("--json", bundle=bundle, pattern=rows / "b.parquet")
    assert done.exit_code == 1
    expected = [[*one.labels] for one in DefendedClassifier.load(many_labels)(texts)]
    assert {len(labels) for labels in expected} == {0, 1, 2}
    assert results(tmp_path / "out")["b.parquet"]["labels"].to_pylist() == [*expected, None]
    counted = Counter(label for labels in expected for label in labels)
    summary = json.loads(done.stdout)
    assert summary["labels"] == counted
    # The monitor counts a row once, whatever it has.
    assert sum(one["rows"] for one in summary["scores"]) == len(texts)
