"""What is read of a model's run on clean rows, token by token."""

import numpy as np
import pytest
import tiny_graph
import tiny_transformers

from clampdown_calib.models.activations import Activations
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_calib.rows.clean_rows import CleanRow, encode_rows
from clampdown_calib.rows.clean_run import CleanRun, run_clean_rows, token_positions
from clampdown_runtime import CalibrationError


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_activations_that_are_not_finite_are_refused_by_layer(bert_folder, value):
    tokenization = load_tokenization(open_model(bert_folder))
    source = TorchClassifier(tiny_transformers.transformer(), tokenization.inputs)
    rows = encode_rows([CleanRow("good film", None, "fit")], "fit", tokenization)
    activations = source.activations

    def broken(inputs):
        run = activations(inputs)
        run.hidden[1][0, 0, 3] = value
        return run

    source.activations = broken
    with pytest.raises(CalibrationError, match=r"layer\.1 on clean rows: found NaN or infinite"):
        run_clean_rows(source, rows)


class TinySource:
    """The NumPy network, as calibration sees a model."""

    layer_names = ("one", "two")
    representation = "first"

    def activations(self, inputs):
        hidden, logits = tiny_graph.reference(inputs)
        return Activations(logits, hidden)


def test_a_run_is_that_of_each_row_alone_in_the_rows_order():
    labels = np.random.default_rng(1).integers(0, 3, 80)
    rows = tiny_graph.encoded_rows(80, labels)
    found = run_clean_rows(TinySource(), rows)
    expected = tiny_graph.seen_alone(rows)
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(found.hidden, expected.hidden, **close)
    np.testing.assert_allclose(found.pooled, expected.pooled, **close)
    np.testing.assert_allclose(found.logits, expected.logits, **close)
    np.testing.assert_array_equal(found.labels, labels)


def test_what_stands_at_padding_is_never_seen():
    source = TinySource()

    def noisy(inputs):
        run = TinySource().activations(inputs)
        for layer in run.hidden:
            layer[inputs["attention_mask"] == 0] += 1e4
        return run

    rows = tiny_graph.encoded_rows(40)
    assert len({len(ids) for ids in rows.ids}) > 1
    plain = run_clean_rows(source, rows)
    source.activations = noisy
    found = run_clean_rows(source, rows)
    np.testing.assert_array_equal(found.hidden, plain.hidden)
    np.testing.assert_allclose(found.pooled, plain.pooled, rtol=1e-6)


@pytest.mark.parametrize("representation", ["first", "last"])
def test_what_is_kept_of_a_batch_is_what_the_reference_sees(representation):
    inputs = tiny_graph.batch(9, 7)
    run = TinySource().activations(inputs)
    found = CleanRun.of_batch(run, inputs["attention_mask"], representation)
    expected = tiny_graph.seen(inputs, representation)
    for name in ("hidden", "pooled", "logits"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-4)
    assert found.labels is None


def test_logits_that_are_not_finite_are_refused():
    source = TinySource()
    source.activations = lambda inputs: Activations(
        np.full((len(inputs["input_ids"]), 3), np.nan), tiny_graph.reference(inputs)[0]
    )
    with pytest.raises(CalibrationError, match="logits on clean rows: found NaN or infinite"):
        run_clean_rows(source, tiny_graph.encoded_rows(9))


def test_representation_tokens():
    mask = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 1]])
    assert token_positions(mask, "first").tolist() == [0, 0, 0, 0]
    assert token_positions(mask, "last").tolist() == [2, 1, 0, 2]


def test_classes_are_the_labels_and_without_them_the_predictions():
    run = tiny_graph.seen(tiny_graph.batch(60, 6))
    predictions = run.logits.argmax(axis=1)
    labels = (predictions + 1) % tiny_graph.CLASSES
    given = run.hidden, run.pooled, run.logits
    for labelled, classes in ((labels, labels), (None, predictions)):
        np.testing.assert_array_equal(CleanRun(*given, labelled).classes, classes)
