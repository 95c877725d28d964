"""A model of pairs from rows to a bundle that is verified, in each way of making one."""

import dataclasses
import json

import numpy as np
import pytest
import tiny_transformers
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from clampdown import defend
from clampdown.measure.evaluate import evaluate
from clampdown_calib import FitOptions, calibrate
from clampdown_calib.fit import find_graph, fit
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_exporter import ExportOptions, move_threshold, verify
from clampdown_exporter.run_export import write_bundle
from clampdown_runtime import DefendedClassifier, ExportError, ModelError, read_golden

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A random BERT and clean rows of pairs with the labels that transformers gives them."""
    place = tmp_path_factory.mktemp("pairs")
    model = tiny_transformers.save_model(place / "model")
    pairs = list(
        zip(tiny_transformers.texts(120), tiny_transformers.texts(120, seed=1), strict=True)
    )
    labels = by_transformers(model, pairs).argmax(axis=1).tolist()
    rows = [
        {"premise": one, "hypothesis": other, "label": label}
        for (one, other), label in zip(pairs, labels, strict=True)
    ]
    (place / "clean.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.fixture(scope="module")
def row_format():
    from clampdown_runtime import RowFormat

    return RowFormat(text="premise", text_pair="hypothesis")


@pytest.fixture(scope="module")
def bundle(place, row_format):
    defend(place / "model", place / "clean.jsonl", place / "bundle", row_format=row_format)
    return place / "bundle"


def by_transformers(folder, pairs):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        rows = [
            tokenizer(*pair, truncation=True, max_length=16, return_tensors="pt") for pair in pairs
        ]
        return np.array([model(**row).logits[0].numpy() for row in rows])


def test_a_bundle_of_pairs_answers_as_transformers_and_is_verified(place, bundle):
    classifier = DefendedClassifier.load(bundle)
    assert (classifier.manifest.text_pair, classifier.manifest.format_version) == (True, 2)
    pairs = [("good film", "bad book"), ("bad book", "good film"), ("good " * 20, "the day " * 20)]
    encoded = classifier.tokenizer.encode(pairs)
    found = classifier.run_encoded(encoded, threshold=np.inf).logits
    np.testing.assert_allclose(found, by_transformers(place / "model", pairs), atol=1e-4)
    assert verify(bundle) == []
    golden = read_golden(bundle / "golden.json")
    assert {row.text_pair is None for row in golden.rows} == {False}
    assert all(1 in (row.token_type_ids or ()) for row in golden.rows)


def test_a_golden_type_that_was_changed_is_found(bundle, tmp_path):
    import shutil

    import tiny_bundle

    copy = shutil.copytree(bundle, tmp_path / "bundle")
    golden = json.loads((copy / "golden.json").read_text())
    golden["rows"][0]["token_type_ids"][1] = 1
    (copy / "golden.json").write_text(json.dumps(golden))
    tiny_bundle.seal(copy)
    assert any("row 0, token_type_ids" in line for line in verify(copy))


def test_the_rows_are_measured_as_pairs(place, bundle, row_format):
    result = evaluate(bundle, place / "clean.jsonl", row_format=row_format)
    # The labels are the undefended model's own answers.
    assert result.undefended.cacc == 100


def test_a_threshold_is_moved_with_golden_pairs(bundle, tmp_path):
    import shutil

    copy = shutil.copytree(bundle, tmp_path / "bundle")
    assert move_threshold(copy, frr=0.3).text_pair
    assert verify(copy) == []


def test_a_calibration_of_pairs_is_read_again(place, row_format):
    out = place / "calibration"
    calibrate(place / "model", place / "clean.jsonl", out, row_format=row_format)
    fitted = find_graph(place / "model", out)
    assert fitted.tokenization.text_pair
    rows = fitted.rows("held-out")
    assert rows.types is not None
    numbers, inputs = next(rows.batches())
    for number, types, mask in zip(
        numbers, inputs["token_type_ids"], inputs["attention_mask"], strict=True
    ):
        assert types[mask == 1].tolist() == rows.types[number]


@pytest.mark.parametrize("options", [{"precision": "int8"}, {"method": "badacts", "epochs": 1}])
def test_other_precisions_and_the_published_method_read_pairs(place, row_format, tmp_path, options):
    defend(place / "model", place / "clean.jsonl", tmp_path / "b", row_format=row_format, **options)
    assert verify(tmp_path / "b") == []


def test_pairs_with_the_tokenizer_in_the_graph_are_refused(place, row_format, tmp_path):
    pytest.importorskip("onnxruntime_extensions")
    fitted = fit(place / "model", place / "clean.jsonl", FitOptions(), row_format=row_format)
    with pytest.raises(ExportError, match="pairs of texts, of which the longer one"):
        write_bundle(fitted, tmp_path / "bundle", ExportOptions(with_tokenizer=True))
    assert not (tmp_path / "bundle").exists()


def test_a_graph_whose_types_the_tokenizer_leaves_out_is_refused(place):
    from clampdown_calib.models.tokenizer.token_ids import require_types_given

    tokenization = load_tokenization(open_model(place / "model"), text_pair=True)
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    require_types_given(inputs, tokenization, path=place)
    without = dataclasses.replace(tokenization, inputs=inputs[:2])
    require_types_given(inputs[:2], without, path=place)
    with pytest.raises(ModelError, match="no token_type_ids among its model_input_names"):
        require_types_given(inputs, without, path=place)
