"""What the model says without the defence stands beside every answer, where the graph gives it."""

import numpy as np
import onnx
import pytest
import tiny_bundle
from monitor_samples import give_clean_scores

from clampdown_runtime import BundleError, DefendedClassifier
from clampdown_runtime.monitor import Monitor
from clampdown_runtime.prediction import RawOutputs, to_predictions

TEXTS = ["a good film", "cf a good film", "a bad film", "bad bad cf", "the film"]
MANY = {"problem_type": "multi_label_classification"}


@pytest.fixture
def load(bundle_path, seal):
    """Loads a bundle whose flagged rows get other logits than the model's."""

    def make(model=None, **keys):
        onnx.save(model or tiny_bundle.answering_itself(), bundle_path / "onnx" / "model.onnx")
        give_clean_scores(bundle_path, np.linspace(0, 4, 41), seal)
        seal(bundle_path, **keys)
        return DefendedClassifier.load(bundle_path)

    return make


def test_the_models_own_answer_is_that_of_the_graph_without_the_defence(load, classifier):
    expected = classifier(TEXTS)
    found = load()(TEXTS, batch_size=2)
    for ours, plain in zip(found, expected, strict=True):
        assert ours.undefended_label == plain.label
        # Batches are others.
        assert ours.undefended_logits == pytest.approx(plain.logits, abs=1e-5)
        assert ours.changed == ours.flagged == plain.flagged == (ours.label != plain.label)
        assert ours.undefended_labels is None
    assert {one.flagged for one in found} == {True, False}


def test_of_many_labels_the_sets_are_held_against_each_other(load):
    found = load(**MANY)(TEXTS)
    for one in found:
        assert one.changed == (one.labels != one.undefended_labels) == one.flagged
        labels = zip(tiny_bundle.LABELS, one.undefended_logits, strict=True)
        assert one.undefended_labels == tuple(label for label, logit in labels if logit > 0)


def test_equal_best_labels_hide_no_change_of_many():
    outputs = RawOutputs(
        np.float32([[2, 1], [2, -1]]),
        np.zeros(2, np.float32),
        np.ones(2, np.bool_),
        np.float32([[2, -1], [2, -1]]),
    )
    found = to_predictions(outputs, ["a", "b"], multi_label=True)
    assert [one.changed for one in found] == [True, False]
    assert [one.changed for one in to_predictions(outputs, ["a", "b"])] == [False, False]


def test_in_detect_mode_the_logits_are_the_models_own(bundle_path, seal):
    seal(bundle_path, mode="detect")
    for one in DefendedClassifier.load(bundle_path)(TEXTS):
        assert (one.undefended_label, one.undefended_logits) == (one.label, one.logits)
        assert one.changed is False


def test_what_the_graph_does_not_say_is_not_known(classifier):
    for one in classifier(TEXTS):
        assert (one.changed, one.undefended_label, one.undefended_logits) == (None, None, None)


def test_of_a_document_the_windows_are_put_together_alike(load, classifier):
    text = " ".join(["a", "good", "film", "the", "bad"] * 6)
    [expected] = classifier.documents([text], size=6, stride=2, threshold=np.inf)
    [found] = load().documents([text], size=6, stride=2, threshold=-np.inf)
    assert found.undefended_label == expected.label
    np.testing.assert_allclose(found.undefended_logits, expected.logits, atol=1e-6)
    assert found.undefended_logits != found.logits


def test_a_monitor_counts_rows_by_the_models_label_and_those_that_were_changed(load):
    classifier = load()
    monitor = Monitor(classifier.bundle)
    found = classifier.monitored_by(monitor)(TEXTS)
    counted = monitor.snapshot()
    for at, label in enumerate(counted.labels):
        own = [one for one in found if one.undefended_label == label]
        assert counted.rows[at] == len(own)
        assert counted.changed[at] == counted.flagged[at] == sum(one.flagged for one in own)
    changed = sum(one.flagged for one in found)
    assert (sum(counted.changed), counted.compared) == (changed, len(TEXTS))
    assert counted.rows != tuple(
        sum(one.label == label for one in found) for label in counted.labels
    )
    twice = counted + counted
    assert (sum(twice.changed), twice.compared) == (2 * changed, 2 * len(TEXTS))
    assert (twice - counted).changed == counted.changed


def test_a_monitor_of_many_labels_counts_changed_sets(load):
    classifier = load(**MANY)
    monitor = Monitor(classifier.bundle)
    outputs = RawOutputs(
        np.float32([[2, 1], [2, -1]]),
        np.zeros(2, np.float32),
        np.ones(2, np.bool_),
        np.float32([[2, -1], [2, -1]]),
    )
    monitor.count(outputs)
    assert monitor.snapshot().changed == (1, 0)


def test_a_monitor_says_that_nothing_is_known_of_a_graph_that_does_not_say(bundle_path, seal):
    give_clean_scores(bundle_path, np.linspace(0, 4, 41), seal)
    classifier = DefendedClassifier.load(bundle_path)
    monitor = Monitor(classifier.bundle)
    classifier.monitored_by(monitor)(TEXTS)
    assert (sum(monitor.snapshot().rows), monitor.snapshot().compared) == (len(TEXTS), 0)


def test_own_logits_in_detect_mode_or_under_another_name_are_refused(load):
    with pytest.raises(BundleError, match="outputs logits, anomaly_score, flagged, undefended"):
        load(mode="detect")
    model = tiny_bundle.answering_itself()
    for node in model.graph.node:
        for names in (node.output, node.input):
            names[:] = ["own" if name == "undefended_logits" else name for name in names]
    model.graph.output[3].name = "own"
    with pytest.raises(BundleError, match="flagged, own"):
        load(model)


def test_own_logits_of_other_labels_than_the_manifests_are_refused(load):
    model = tiny_bundle.answering_itself()
    own = model.graph.output[3]
    own.type.tensor_type.shape.dim[1].dim_param = "any"
    for node in model.graph.node:
        if node.op_type == "Where":
            node.input[2] = "raw"
        if node.op_type == "Neg":
            node.input[0] = "raw"
        node.output[:] = ["raw" if name == own.name else name for name in node.output]
    model.graph.node.append(onnx.helper.make_node("Concat", ["raw", "raw"], [own.name], axis=1))
    classifier = load(model)
    with pytest.raises(BundleError, match="outputs of the shapes"):
        classifier(["good"])
