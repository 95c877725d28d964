import json
import warnings
from itertools import count

import numpy as np
import pytest
import tiny_bundle

from clampdown_runtime import DefendedClassifier, RawOutputs, TruncationWarning
from clampdown_runtime.errors import BundleError, ClampdownError, ProviderError, RowsError
from clampdown_runtime.prediction import to_predictions


def assert_same(predictions, expected):
    assert [p.label for p in predictions] == [p.label for p in expected]
    assert [p.flagged for p in predictions] == [p.flagged for p in expected]
    for field in ("logits", "anomaly_score", "probability"):
        np.testing.assert_allclose(
            [getattr(p, field) for p in predictions],
            [getattr(p, field) for p in expected],
            atol=1e-5,
        )


@pytest.fixture
def alone(classifier, texts):
    """Each text classified by itself."""
    return [classifier([text])[0] for text in texts]


def test_the_texts_differ(alone):
    assert len({p.logits for p in alone}) == len(alone)
    assert {p.label for p in alone} == {"negative", "positive"}
    assert {p.flagged for p in alone} == {True, False}


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_results_keep_their_order_and_do_not_depend_on_the_batch(
    classifier, texts, alone, batch_size
):
    assert_same(classifier(texts, batch_size=batch_size), alone)
    assert_same(classifier(texts[::-1], batch_size=batch_size), alone[::-1])


@pytest.mark.parametrize("side", ["left", "right"])
def test_results_do_not_depend_on_the_padding(bundle_path, seal, texts, alone, side):
    seal(bundle_path, padding={"side": side, "token_id": 4, "type_id": 1})
    assert_same(DefendedClassifier.load(bundle_path)(texts), alone)


@pytest.mark.parametrize("window", [1, 3, 1024])
def test_a_stream_gives_the_same_in_order(classifier, texts, alone, window):
    assert_same(list(classifier.stream(iter(texts), batch_size=2, window=window)), alone)


def test_a_streams_outputs_come_window_by_window(classifier, texts, alone):
    found = list(classifier.stream_outputs(iter(texts), batch_size=2, window=3))
    assert [len(outputs.flagged) for outputs in found[:-1]] == [3] * (len(texts) // 3)
    named = [one for outputs in found for one in to_predictions(outputs, tiny_bundle.LABELS)]
    assert_same(named, alone)


def test_a_stream_reads_no_further_than_its_window(classifier):
    taken = count()
    stream = classifier.stream(("good" for _ in taken), window=4)
    for _ in range(5):
        next(stream)
    assert next(taken) == 8


def test_texts_of_a_generator_are_classified(classifier, texts, alone):
    assert_same(classifier(text for text in texts), alone)


def test_no_texts_give_no_predictions(classifier):
    assert classifier([]) == []
    assert list(classifier.stream([])) == []


def test_probability_is_the_softmax_at_the_label(classifier):
    [prediction] = classifier(["good"])
    exponents = np.exp(prediction.logits)
    best = int(np.argmax(prediction.logits))
    assert prediction.label == classifier.manifest.labels[best]
    assert prediction.probability == pytest.approx(exponents[best] / exponents.sum())


def test_threshold_takes_the_place_of_the_bundles_own(classifier, texts):
    own = classifier(texts)
    for threshold in (0.0, own[1].anomaly_score, float("inf"), -float("inf")):
        expected = [p.anomaly_score > threshold for p in own]
        assert [p.flagged for p in classifier(texts, threshold=threshold)] == expected
        assert [p.flagged for p in classifier.stream(texts, threshold=threshold)] == expected
    assert classifier(texts) == own
    with pytest.raises(ClampdownError, match="NaN"):
        classifier(texts, threshold=float("nan"))


def test_a_score_that_is_nan_is_flagged(classifier):
    broken, good = classifier(["a broken film", "a film"], threshold=float("inf"))
    assert np.isnan(broken.anomaly_score)
    assert np.isnan(broken.probability)
    assert broken.flagged
    assert not good.flagged


@pytest.mark.parametrize("call", ["call", "stream"])
def test_truncation_warns_once(classifier, call):
    texts = ["the " * 20, "good", "the " * 7, "the " * 6]
    with pytest.warns(TruncationWarning) as caught:
        predictions = (
            classifier(texts) if call == "call" else list(classifier.stream(texts, window=1))
        )
    assert len(predictions) == 4
    [warning] = caught
    assert str(warning.message).startswith("2 of the texts were longer than 8 tokens")
    assert warning.filename == __file__


def test_whole_texts_warn_of_nothing(classifier, texts):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier(texts)
        list(classifier.stream(texts))


@pytest.mark.parametrize(
    "text", ["", " \n\t", None, 3, b"good", "\ud800", ("a", "b"), {"text": "good"}]
)
def test_what_is_no_text_is_named_by_its_index(classifier, text):
    with pytest.raises(RowsError, match="text 2"):
        classifier(["good", "bad", text])
    with pytest.raises(RowsError, match="text 2"):
        list(classifier.stream(["good", "bad", text], window=2))


def test_a_text_without_tokens_is_named_by_its_index(bundle_path, seal):
    path = bundle_path / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["post_processor"] = None
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "good"}, "content": ""}
    path.write_text(json.dumps(tokenizer))
    seal(bundle_path)
    with pytest.raises(RowsError, match=r"text 1.*tokenizer leaves no tokens"):
        DefendedClassifier.load(bundle_path)(["bad", "good"])


@pytest.mark.parametrize("texts", ["good", b"good"])
def test_one_string_is_not_a_list_of_texts(classifier, texts):
    with pytest.raises(RowsError, match=r"Pass \[text\]"):
        classifier(texts)
    with pytest.raises(RowsError, match=r"Pass \[text\]"):
        classifier.stream(texts)


class Frame(list):
    """As that of pandas, which iterates over the names of its columns."""

    columns = ("text",)


@pytest.mark.parametrize("texts", [{"text": ["good"]}, Frame(["text"]), None, 3])
def test_a_table_is_not_a_list_of_texts(classifier, texts):
    for call in (classifier, classifier.stream):
        with pytest.raises(RowsError, match=f"of the type {type(texts).__name__}; .*rows\\['text'"):
            call(texts)


def test_sizes_are_at_least_one(classifier):
    with pytest.raises(ClampdownError, match="batch_size"):
        classifier(["good"], batch_size=0)
    with pytest.raises(ClampdownError, match="window"):
        classifier.stream(["good"], window=0)


def test_token_ids_run_in_order(classifier):
    rows = [[2, 4, 3], [2, 5, 6, 7, 3], [2, 3]]
    outputs = classifier.run_ids(rows, batch_size=2)
    assert isinstance(outputs, RawOutputs)
    assert outputs.logits.dtype == outputs.anomaly_score.dtype == np.float32
    assert outputs.flagged.dtype == np.bool_
    for index, row in enumerate(rows):
        alone = classifier.run_ids([row])
        np.testing.assert_allclose(outputs.logits[index], alone.logits[0], atol=1e-6)
        np.testing.assert_allclose(outputs.anomaly_score[index], alone.anomaly_score[0], atol=1e-6)
        assert outputs.flagged[index] == alone.flagged[0]
    assert classifier.run_ids([]).logits.shape == (0, 2)


@pytest.mark.parametrize("row", [[], [4] * 9])
def test_rows_of_no_or_too_many_tokens_are_refused(classifier, row):
    with pytest.raises(RowsError, match="row 1"):
        classifier.run_ids([[4], row])


def test_a_failed_run_is_clampdowns_error(classifier, capfd):
    with pytest.raises(ProviderError, match="1 rows with 2 tokens"):
        classifier.run_ids([[4, 999]])


def test_labels_are_as_many_as_logits(bundle_path, seal):
    seal(bundle_path, labels=["one", "two", "three"])
    with pytest.raises(BundleError, match="labels"):
        DefendedClassifier.load(bundle_path)(["good"])


def test_a_changed_bundle_does_not_load(bundle_path):
    with (bundle_path / "onnx" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(BundleError, match=r"onnx/model\.onnx \(different\)"):
        DefendedClassifier.load(bundle_path)


def test_what_was_cut_off_is_told(bundle_path, seal):
    with pytest.warns(TruncationWarning, match="longer than 8 tokens .* what follows"):
        DefendedClassifier.load(bundle_path)(["the " * 20])
    seal(bundle_path, truncation_side="left")
    with pytest.warns(TruncationWarning, match="longer than 8 tokens .* what stands before"):
        DefendedClassifier.load(bundle_path)(["the " * 20])
