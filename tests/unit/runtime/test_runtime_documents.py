"""Texts that are longer than the model takes, read in windows."""

import json

import numpy as np
import pytest

from clampdown_runtime import ClampdownError, DefendedClassifier, RowsError, TruncationWarning
from clampdown_runtime.documents import of_documents
from clampdown_runtime.prediction import RawOutputs, softmax
from clampdown_runtime.tokenizer import CHARACTERS_PER_TOKEN

WORDS = ["good", "bad", "film", "the", "a"]
SPECIAL = (2, 3)


def ids(words):
    return [SPECIAL[0], *(WORDS.index(word) + 4 for word in words), SPECIAL[1]]


def words(count):
    return [WORDS[number % len(WORDS)] for number in range(count)]


@pytest.fixture(params=["right", "left"])
def tokenizer(request, bundle_path, seal):
    """With room for six words."""
    if request.param == "left":
        seal(bundle_path, truncation_side="left")
    return DefendedClassifier.load(bundle_path).tokenizer


@pytest.mark.parametrize("count", [1, 5, 6, 7, 9, 10, 23])
@pytest.mark.parametrize(("size", "stride"), [(8, 6), (8, 3), (5, 1), (3, 1)])
def test_windows_cover_every_token_in_order_and_end_with_the_last(tokenizer, count, size, stride):
    found = tokenizer.encode_in_windows(" ".join(words(count)), size, stride)
    room = size - 2
    starts = [0]
    while starts[-1] + room < count:
        starts.append(starts[-1] + stride)
    assert found.ids == [ids(words(count)[start : start + room]) for start in starts]
    assert not found.truncated


@pytest.mark.parametrize(("size", "stride"), [(2, 1), (9, 3), (8, 0), (8, 7), (-1, 1)])
def test_windows_that_leave_a_gap_or_have_no_room_are_refused(classifier, size, stride):
    with pytest.raises(ClampdownError, match="3 to 8 tokens, and a stride"):
        classifier.documents(["good"], size=size, stride=stride)


def test_a_text_of_one_window_has_the_result_that_it_has_anyway(classifier, texts):
    for found, expected in zip(classifier.documents(texts), classifier(texts), strict=True):
        assert (found.label, found.flagged) == (expected.label, expected.flagged)
        assert found.anomaly_score == expected.anomaly_score
        assert found.probability == pytest.approx(expected.probability, abs=1e-6)


def test_a_documents_result_is_that_of_its_windows(classifier):
    """Against the windows run one by one, and their mean in NumPy."""
    text = " ".join([*words(9), "cf", *words(4)])
    windows = classifier.tokenizer.encode_in_windows(text, 6, 2).ids
    scores = [classifier.run_ids([window]).anomaly_score[0] for window in windows]
    # The trigger stands in some windows only.
    threshold = float(np.median(scores))
    runs = [classifier.run_ids([window], threshold=threshold) for window in windows]
    [found] = classifier.documents([text], size=6, stride=2, threshold=threshold)
    weights = np.array([len(window) for window in windows])
    mean = np.average([softmax(run.logits)[0] for run in runs], axis=0, weights=weights)
    assert found.probability == pytest.approx(mean.max(), abs=1e-6)
    np.testing.assert_allclose(np.exp(found.logits), mean, atol=1e-6)
    assert found.label == classifier.manifest.labels[mean.argmax()]
    assert found.flagged
    assert not all(run.flagged[0] for run in runs)
    assert found.anomaly_score == pytest.approx(max(run.anomaly_score[0] for run in runs))


def test_a_score_that_is_no_number_is_the_documents(classifier):
    [found] = classifier.documents([" ".join([*words(9), "broken", *words(9)])])
    assert np.isnan(found.anomaly_score) and found.flagged


def test_many_documents_are_as_each_alone(classifier, texts):
    many = [*texts, " ".join(words(30)), "a"] * 20
    together = list(classifier.documents(iter(many), stride=2))
    alone = [found for text in many for found in classifier.documents([text], stride=2)]
    for one, other in zip(together, alone, strict=True):
        assert one.flagged == other.flagged
        np.testing.assert_allclose(one.logits, other.logits, atol=1e-5)


def test_the_threshold_is_that_of_the_call(classifier):
    assert not next(classifier.documents(["cf"], threshold=1e9)).flagged
    assert next(classifier.documents(["good"], threshold=-1.0)).flagged


def test_what_is_no_text_is_refused_with_its_number(classifier):
    with pytest.raises(RowsError, match="text 1"):
        list(classifier.documents(["good", " "]))
    with pytest.raises(RowsError, match="text 40"):
        list(classifier.documents([*["good"] * 40, " "], batch_size=4))
    with pytest.raises(RowsError, match="one string"):
        classifier.documents("good")


def test_of_texts_without_an_end_it_warns(classifier):
    text = "good " * (CHARACTERS_PER_TOKEN * 8)
    with pytest.warns(TruncationWarning, match="2 of the texts were longer than 2048 characters"):
        list(classifier.documents(["good", text, text]))


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_none_is_refused(classifier, batch_size):
    with pytest.raises(ClampdownError, match="batch_size"):
        classifier.documents(["good"], batch_size=batch_size)


def test_a_text_of_which_no_token_is_left_is_refused_with_its_number(bundle_path, seal):
    path = bundle_path / "tokenizer.json"
    data = json.loads(path.read_text())
    data["post_processor"] = None
    replaced = {"type": "Replace", "pattern": {"String": "zzz"}, "content": ""}
    data["normalizer"] = replaced
    path.write_text(json.dumps(data))
    seal(bundle_path)
    classifier = DefendedClassifier.load(bundle_path)
    for classify in (classifier, lambda texts: list(classifier.documents(texts))):
        with pytest.raises(RowsError, match="text 2: found a text of which the tokenizer leaves"):
            classify(["good", "the " * 30, "zzz"])


def test_many_labels_of_a_document_are_the_means_of_its_windows(bundle_path, seal):
    seal(bundle_path, problem_type="multi_label_classification")
    classifier = DefendedClassifier.load(bundle_path)
    text = " ".join([*words(9), "cf", *words(4)])
    windows = classifier.tokenizer.encode_in_windows(text, 6, 2).ids
    runs = classifier.run_ids(windows)
    chances = 1 / (1 + np.exp(-runs.logits.astype(np.float64)))
    mean = np.average(chances, axis=0, weights=[len(window) for window in windows])
    [found] = classifier.documents([text], size=6, stride=2)
    assert found.probabilities == pytest.approx(tuple(mean), abs=1e-6)
    names = classifier.manifest.labels
    assert found.labels == tuple(n for n, chance in zip(names, mean, strict=True) if chance > 0.5)


def test_a_document_that_is_sure_of_a_label_has_finite_logits():
    outputs = RawOutputs(
        np.float32([[90, -200], [80, -100]]), np.float32([1, 2]), np.array([False, True])
    )
    found = of_documents(outputs, [[3, 3]], multi_label=True)
    np.testing.assert_allclose(found.logits, [[80 + np.log(2), -100 - np.log(2)]], rtol=1e-5)
