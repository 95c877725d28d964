"""A monitor counts what a classifier gives, from several threads, and no text more than once."""

import json
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from monitor_samples import give_clean_scores

from clampdown_runtime import BundleError, ClampdownError, DefendedClassifier
from clampdown_runtime.monitor import Monitor, Snapshot

CLEAN = np.linspace(0, 4, 41)


@pytest.fixture
def monitored(bundle_path, seal):
    give_clean_scores(bundle_path, CLEAN, seal)
    classifier = DefendedClassifier.load(bundle_path)
    monitor = Monitor(classifier.bundle)
    return classifier.monitored_by(monitor), monitor


def counts_of(predictions, labels):
    rows = [sum(p.label == label for p in predictions) for label in labels]
    flagged = [sum(p.label == label and p.flagged for p in predictions) for label in labels]
    return tuple(rows), tuple(flagged)


def test_every_row_is_counted_once_whichever_way_it_comes(monitored, texts):
    classifier, monitor = monitored
    labels = classifier.manifest.labels
    predictions = classifier([*texts, "a broken film"], batch_size=2)
    snapshot = monitor.snapshot()
    assert (snapshot.rows, snapshot.flagged) == counts_of(predictions, labels)
    assert 0 < sum(snapshot.flagged) < len(predictions)
    scores = np.array([p.anomaly_score for p in predictions])
    edges = np.array(snapshot.scale.edges)
    # A score lies in the first bin whose end it does not exceed; NaN lies in the last.
    expected = [next((i for i, e in enumerate(edges) if s <= e), len(edges)) for s in scores]
    assert snapshot.scores == tuple(np.bincount(expected, minlength=len(edges) + 1))
    assert sum(snapshot.beyond) == expected.count(len(edges)) > 0
    assert (sum(snapshot.runs), snapshot.truncated) == (1, 0)
    list(classifier.stream(iter(texts), window=3))
    list(classifier.documents(iter(texts), batch_size=100))
    later = monitor.snapshot() - snapshot
    assert sum(later.rows) == sum(later.scores) == 2 * len(texts)
    assert sum(later.runs) == 4


def test_long_texts_are_counted_as_truncated(monitored):
    classifier, monitor = monitored
    with pytest.warns(UserWarning, match="truncated"):
        classifier(["good " * 30, "bad", "film " * 20])
    assert monitor.snapshot().truncated == 2


def test_a_run_adds_its_seconds(monitored):
    classifier, monitor = monitored
    classifier(["good"])
    outputs = classifier.run_ids([[2, 4, 3]])
    before = monitor.snapshot()
    monitor.count(outputs, seconds=0.25)
    after = monitor.snapshot() - before
    assert after.seconds == pytest.approx(0.25)
    # 0.25 is the end of a bin, which holds it.
    assert after.runs.index(1) == 7
    monitor.count(outputs)
    assert sum(monitor.snapshot().runs) == 2


def test_threads_lose_nothing(monitored, texts):
    classifier, monitor = monitored
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: classifier(texts), range(200)))
    snapshot = monitor.snapshot()
    assert sum(snapshot.rows) == sum(snapshot.scores) == 200 * len(texts)
    assert sum(snapshot.runs) == 200


def test_nothing_is_counted_without_a_monitor_and_in_a_copy(monitored, texts):
    classifier, monitor = monitored
    pickle.loads(pickle.dumps(classifier))(texts)  # noqa: S301
    classifier.monitored_by(None)(texts)
    assert sum(monitor.snapshot().rows) == 0


def test_a_monitor_of_another_bundle_is_refused(monitored, classifier):
    _, monitor = monitored
    with pytest.raises(ClampdownError, match="The monitor: found one of the bundle sha256:"):
        classifier.monitored_by(monitor)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"calibration",
        b"\x02\0\0\0\0\0\0\0{}",
        b"\xff" * 20,
        b"\x02\0\0\0\0\0\0\0[]",
    ],
)
def test_a_bundle_without_clean_scores_is_refused(bundle_path, seal, data):
    (bundle_path / "calibration.safetensors").write_bytes(data)
    seal(bundle_path)
    with pytest.raises(BundleError, match=r"calibration\.safetensors: found no clean scores"):
        Monitor(DefendedClassifier.load(bundle_path).bundle)


@pytest.mark.parametrize("scores", [np.full(3, np.nan), np.empty(0)])
def test_no_finite_clean_score_is_refused(bundle_path, seal, scores):
    give_clean_scores(bundle_path, scores, seal)
    with pytest.raises(BundleError, match="no score that is finite"):
        Monitor(DefendedClassifier.load(bundle_path).bundle)


def test_snapshots_add_up_and_go_through_json(monitored, texts):
    classifier, monitor = monitored
    classifier(texts)
    first = monitor.snapshot()
    classifier(texts[:3])
    both = monitor.snapshot()
    later = both - first
    assert sum(later.rows) == 3
    assert Snapshot.from_json(both.to_json()) == both == first + Snapshot.from_json(later.to_json())
    assert "\n" not in both.to_json()
    with pytest.raises(ClampdownError, match="more rows than in the later one"):
        first - both


def test_snapshots_of_two_bundles_do_not_add_up(monitored, texts):
    _, monitor = monitored
    snapshot = monitor.snapshot()
    fields = json.loads(snapshot.to_json())
    other = Snapshot.from_json(json.dumps({**fields, "bundle": "sha256:1"}))
    with pytest.raises(ClampdownError, match="two bundles"):
        snapshot + other


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 2},
        {"rows": [1]},
        {"rows": [1, -1]},
        {"changed": [1]},
        {"compared": -1},
        {"rows": [1, 1.5]},
        {"scores": []},
        {"seconds": -1.0},
        {"seconds": "1"},
        {"labels": [1, 2]},
        {"scale": None},
        {"scale": {"edges": [2.0, 1.0], "clean": [1, 1, 1], "threshold": 0}},
        {"scale": {"edges": [1.0], "clean": [1, 1], "threshold": 1}},
        {"more": 1},
    ],
)
def test_a_damaged_snapshot_is_refused(monitored, change):
    _, monitor = monitored
    fields = json.loads(monitor.snapshot().to_json())
    for text in (json.dumps({**fields, **change}), "", "[]", "[" * 100000):
        with pytest.raises(ClampdownError, match="The snapshot"):
            Snapshot.from_json(text)
