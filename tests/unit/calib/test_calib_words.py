"""Words are run one by one, and what they say is scikit-learn's ridge regression."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_models
from sklearn.linear_model import Ridge

from clampdown_calib.clean_rows import EncodedRows
from clampdown_calib.model_folder import open_model
from clampdown_calib.onnx_classifier import OnnxClassifier
from clampdown_calib.onnx_graph import read_onnx_graph
from clampdown_calib.tokenization import load_tokenization
from clampdown_calib.words import RIDGE, WordRun, run_words, single_words, word_directions
from clampdown_exporter.sites import marked_layers
from clampdown_runtime import CalibrationError

CLS, SEP = 2, 3
LAYERS = tuple(value.name for value in marked_layers(tiny_models.marked_graph().graph))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("words") / "model"
    tiny_models.save_onnx_model(place)
    return open_model(place)


@pytest.fixture(scope="module")
def source(folder):
    return OnnxClassifier(read_onnx_graph(folder, layers=LAYERS))


@pytest.fixture(scope="module")
def rows(folder):
    tokenization = load_tokenization(folder)
    tokenization = dataclasses.replace(tokenization, inputs=("input_ids", "attention_mask"))
    ids = tokenization.encode(tiny_models.texts(12))
    return EncodedRows(ids, np.zeros(12, np.int64), tokenization, batch_size=5)


def test_every_token_stands_once_and_alone_where_a_text_would(rows):
    found, place = single_words(rows)
    wanted = {token for ids in rows.ids for token in ids} - {CLS, SEP}
    assert found.ids == [[CLS, word, SEP] for word in sorted(wanted)]
    assert place == 1
    assert found.labels is None


def test_tokenizer_without_special_tokens(rows):
    settings = {**json.loads(rows.tokenization.tokenizer_json), "post_processor": None}
    none = dataclasses.replace(rows.tokenization, tokenizer_json=json.dumps(settings))
    ids = [row[1:-1] for row in rows.ids]
    found, place = single_words(dataclasses.replace(rows, ids=ids, tokenization=none))
    assert found.ids == [[word] for word in sorted({token for row in ids for token in row})]
    assert place == 0


def test_a_word_is_read_at_its_own_place(source, rows):
    found = run_words(source, rows)
    words, _ = single_words(rows)
    inputs = tiny_models.padded(words.ids)
    hidden, logits = tiny_models.reference(inputs)
    assert found.states.shape == (len(words.ids), 1, tiny_models.WIDTH)
    order = np.concatenate([numbers for numbers, _ in words.batches()])
    np.testing.assert_allclose(found.states[:, 0], hidden[0][order, 1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.logits, logits[order], rtol=1e-4, atol=1e-5)


def test_directions_equal_a_ridge_regression_of_scikit_learn():
    random = np.random.default_rng(0)
    states = random.normal(size=(300, 2, 8)) @ random.normal(size=(8, 8)) + 3
    logits = states[:, 0] @ random.normal(size=(8, 3)) + random.normal(size=(300, 3)) + 5
    found = WordRun(states.astype(np.float32), logits.astype(np.float32)).directions()
    relative = logits - logits.mean(axis=1, keepdims=True)
    for layer in range(2):
        variance = states[:, layer].var(axis=0).sum() * len(states)
        model = Ridge(alpha=RIDGE * variance / 8).fit(states[:, layer], relative)
        np.testing.assert_allclose(found[layer], model.coef_.T, rtol=1e-3, atol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.filterwarnings("error")
def test_words_that_are_all_alike_say_nothing():
    same = np.ones((4, 1, 8), np.float32), np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(WordRun(*same).directions(), np.zeros((1, 8, 3)))


def test_words_are_asked_only_where_there_is_something_to_share_out(source, rows):
    assert word_directions(source, rows, 2) is None
    found = word_directions(source, rows, tiny_models.CLASSES)
    np.testing.assert_array_equal(found, run_words(source, rows).directions())


def test_word_that_overflows(source, rows):
    rows.ids.append([CLS, tiny_models.INFINITE, SEP])
    try:
        with pytest.raises(CalibrationError, match="found NaN or infinite"):
            run_words(source, rows)
    finally:
        rows.ids.pop()
