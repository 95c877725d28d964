"""What is read of a model's run on clean rows, token by token."""

import numpy as np
import pytest
import tiny_models

from clampdown_calib.activations import (
    Activations,
    CleanRun,
    real_tokens,
    run_clean_rows,
    token_positions,
)
from clampdown_calib.clean_rows import CleanRow, encode_rows
from clampdown_calib.layer_votes import LayerVotes
from clampdown_calib.model_folder import open_model
from clampdown_calib.readout import Readout
from clampdown_calib.tokenization import load_tokenization
from clampdown_calib.torch_classifier import TorchClassifier
from clampdown_runtime import CalibrationError


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_activations_that_are_not_finite_are_refused_by_layer(bert_folder, value):
    tokenization = load_tokenization(open_model(bert_folder))
    source = TorchClassifier(tiny_models.transformer(), tokenization.inputs)
    rows = encode_rows([CleanRow("good film", None, "fit")], "fit", tokenization)
    activations = source.activations

    def broken(inputs):
        run = activations(inputs)
        run.hidden[1][0, 0, 3] = value
        return run

    source.activations = broken
    for passes in (run_clean_rows, lambda *given: list(real_tokens(*given))):
        with pytest.raises(
            CalibrationError, match=r"layer\.1 on clean rows: found NaN or infinite"
        ):
            passes(source, rows)


def test_quantiles_never_see_padding(bert_folder):
    tokenization = load_tokenization(open_model(bert_folder))
    source = TorchClassifier(tiny_models.transformer(), tokenization.inputs)
    texts = ["good film", "a very good film"]
    rows = encode_rows([CleanRow(text, None, "fit") for text in texts], "fit", tokenization)
    activations = source.activations

    def broken(inputs):
        run = activations(inputs)
        run.hidden[0][inputs["attention_mask"] == 0] = np.nan
        return run

    source.activations = broken
    [tokens] = real_tokens(source, rows)
    assert len(tokens) == sum(map(len, rows.ids))


class TinySource:
    """The NumPy network, as calibration sees a model."""

    layer_names = ("one", "two")
    representation = "first"

    def activations(self, inputs):
        hidden, logits = tiny_models.reference(inputs)
        return Activations(logits, hidden)


def test_samples_are_those_of_each_row_alone_in_the_rows_order():
    labels = np.random.default_rng(1).integers(0, 3, 80)
    rows = tiny_models.encoded_rows(80, labels)
    readout, found = run_clean_rows(TinySource(), rows).fit_readout()
    expected = tiny_models.seen_alone(rows)
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(found.hidden, expected.hidden, **close)
    np.testing.assert_allclose(found.pooled, expected.pooled, **close)
    np.testing.assert_allclose(found.logits, expected.logits, **close)
    # The readout learns the rows' own labels, and what it gives of a row it had not seen there.
    of_rows, crossed = Readout.fit(expected.pooled, expected.logits, labels)
    np.testing.assert_allclose(readout.weights, of_rows.weights, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.inner, crossed, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("representation", ["first", "last"])
def test_samples_of_a_batch_are_what_the_reference_sees(representation):
    inputs = tiny_models.batch(9, 7)
    run = TinySource().activations(inputs)
    readout = tiny_models.readout()
    found = CleanRun.of_batch(run, inputs["attention_mask"], representation).samples(readout)
    expected = tiny_models.seen(inputs, representation)
    for name in ("hidden", "pooled", "logits", "inner"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-4)


def test_logits_that_are_not_finite_are_refused():
    source = TinySource()
    source.activations = lambda inputs: Activations(
        np.full((len(inputs["input_ids"]), 3), np.nan), tiny_models.reference(inputs)[0]
    )
    with pytest.raises(CalibrationError, match="logits on clean rows: found NaN or infinite"):
        run_clean_rows(source, tiny_models.encoded_rows(9))


def test_representation_tokens():
    mask = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 1]])
    assert token_positions(mask, "first").tolist() == [0, 0, 0, 0]
    assert token_positions(mask, "last").tolist() == [2, 1, 0, 2]


def test_readout_and_votes_learn_the_labels_and_without_them_the_predictions():
    samples = tiny_models.seen(tiny_models.batch(60, 6))
    predictions = samples.logits.argmax(axis=1)
    labels = (predictions + 1) % tiny_models.CLASSES
    given = samples.hidden, samples.pooled, samples.logits
    for labelled, classes in ((labels, labels), (None, predictions)):
        run = CleanRun(*given, labelled)
        np.testing.assert_array_equal(run.classes, classes)
        readout, _ = run.fit_readout()
        expected, _ = Readout.fit(samples.pooled, samples.logits, classes)
        np.testing.assert_array_equal(readout.weights, expected.weights)
        words = tiny_models.words().directions()
        votes = LayerVotes.fit(samples.pooled, samples.logits, classes, words)
        found = run.fit_votes(words)
        for name, tensor in votes.tensors().items():
            np.testing.assert_array_equal(found.tensors()[name], tensor)
