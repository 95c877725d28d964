"""Record batches get the columns that the runtime's own predictions have, row by row."""

import json
import shutil

import pyarrow as pa
import pytest
from tiny_bundle import answering_itself, make_bundle

from clampdown.integrations.arrow import classify_batches, scored_schema
from clampdown_runtime import DefendedClassifier, RowsError, TruncationWarning

TEXTS = ["good", "bad film", "cf", "a good film", "the the", "broken"]


def batch(texts, kind=None):
    return pa.record_batch({"id": pa.array(range(len(texts))), "text": pa.array(texts, kind)})


def scored(classifier, *batches, **options):
    return list(classify_batches(classifier, iter(batches), **options))


def test_every_row_gets_its_prediction(classifier):
    first, second = batch(TEXTS[:4]), batch(TEXTS[4:])
    results = scored(classifier, first, second)
    assert [result.num_rows for result in results] == [4, 2]
    table = pa.Table.from_batches(results)
    assert table.schema == scored_schema(first.schema, classifier.manifest)
    expected = classifier(TEXTS)
    assert {prediction.flagged for prediction in expected} == {True, False}
    for row, text, prediction in zip(table.to_pylist(), TEXTS, expected, strict=True):
        assert row["text"] == text
        assert (row["label"], row["flagged"]) == (prediction.label, prediction.flagged)
        for name in ("probability", "anomaly_score"):
            assert row[name] == pytest.approx(getattr(prediction, name), nan_ok=True)
        assert row["error"] is None


def test_the_models_own_answer_is_a_column(answering, classifier):
    own = DefendedClassifier.load(answering)
    [found] = scored(own, batch(TEXTS))
    expected = [prediction.undefended_label for prediction in own(TEXTS)]
    assert found["undefended_label"].to_pylist() == expected != found["label"].to_pylist()
    [unknown] = scored(classifier, batch(TEXTS))
    assert unknown["undefended_label"].null_count == len(TEXTS)


def test_of_many_labels_the_models_own_are_a_column_too(tmp_path):
    bundle = make_bundle(tmp_path / "bundle", multi_label=True, model=answering_itself())
    classifier = DefendedClassifier.load(bundle)
    [found] = scored(classifier, batch(TEXTS))
    for name in ("labels", "undefended_labels"):
        expected = [list(getattr(prediction, name)) for prediction in classifier(TEXTS)]
        assert found[name].to_pylist() == expected


def test_rows_without_a_text_have_an_error_and_the_others_their_results(classifier):
    texts = [None, "good", "", " \t", "cf"]
    nulls, empty = batch([None, None], pa.string()), batch([], pa.string())
    results = scored(classifier, nulls, batch(texts), empty)
    assert [result.num_rows for result in results] == [2, 5, 0]
    assert results[0]["error"].to_pylist() == ["no text"] * 2
    [alone] = scored(classifier, batch([None], pa.null()))
    assert alone["error"].to_pylist() == ["no text"]
    rows = results[1].to_pylist()
    assert [row["error"] for row in rows] == [
        "no text",
        None,
        "an empty text",
        "a text of white space",
        None,
    ]
    for row in (rows[0], rows[2], rows[3]):
        names = ("label", "probability", "anomaly_score", "flagged")
        assert [row[name] for name in names] == [None] * 4
    expected = classifier(["good", "cf"])
    assert [rows[1]["label"], rows[4]["flagged"]] == [expected[0].label, expected[1].flagged]


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int32(), pa.string())])
def test_bytes_that_are_not_utf8_are_the_error_of_their_row(classifier, kind):
    column = pa.array([b"good", b"\xff\xfe", None, b"cf"], pa.binary()).view(pa.string())
    if pa.types.is_dictionary(kind):
        column = column.dictionary_encode()
    [found] = scored(classifier, pa.record_batch({"text": column}), columns=[])
    assert found["error"].to_pylist() == [None, "bytes that are not UTF-8", "no text", None]
    expected = classifier(["good", "cf"])
    assert found["label"].to_pylist() == [expected[0].label, None, None, expected[1].label]


def test_a_text_without_tokens_has_an_error(bundle_path, seal):
    # A decoder's tokenizer puts nothing around a text, and may drop what it does not know.
    path = bundle_path / "tokenizer.json"
    state = json.loads(path.read_text())
    state["post_processor"] = None
    state["normalizer"] = {"type": "Replace", "pattern": {"String": "~"}, "content": ""}
    path.write_text(json.dumps(state))
    seal(bundle_path)
    [result] = scored(DefendedClassifier.load(bundle_path), batch(["good", "~", "film"]))
    assert result["error"].to_pylist() == [
        None,
        "a text of which the tokenizer leaves no tokens",
        None,
    ]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view()])
def test_strings_of_every_layout_are_read(classifier, kind):
    [plain] = scored(classifier, batch(TEXTS))
    dictionary = pa.array(TEXTS).dictionary_encode()
    for rows in (batch(TEXTS, kind), pa.record_batch({"text": dictionary})):
        [other] = scored(classifier, rows)
        assert other["label"] == plain["label"]
        assert other["text"].type == rows["text"].type


def test_columns_threshold_and_probabilities(classifier):
    rows = batch(TEXTS[:3])
    [result] = scored(
        classifier, rows, columns=["id"], threshold=-1.0, all_probabilities=True, batch_size=1
    )
    assert result.schema.names == [
        *("id", "label", "probability", "anomaly_score", "flagged", "undefended_label"),
        *("probabilities", "error"),
    ]
    assert result["flagged"].to_pylist() == [True] * 3
    for row, prediction in zip(result.to_pylist(), classifier(TEXTS[:3]), strict=True):
        found = tuple(row["probabilities"].values())
        assert found == pytest.approx(prediction.probabilities)
        assert tuple(row["probabilities"]) == classifier.manifest.labels


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"review": ["good"]}, {}, "found none among 'review'"),
        ({"text": [1]}, {}, "found values of the type int64"),
        ({"text": ["good"], "label": [1]}, {}, "found label, the name of a result"),
        ({"text": ["good"]}, {"columns": ["id"]}, "the column 'id': found none"),
    ],
)
def test_columns_that_cannot_be_used_are_refused(classifier, columns, options, message):
    with pytest.raises(RowsError, match=message):
        scored(classifier, pa.record_batch(columns), **options)


def test_a_label_of_the_input_can_be_left_out(classifier):
    rows = pa.record_batch({"text": ["good"], "label": [1]})
    [result] = scored(classifier, rows, columns=["text"])
    assert result["label"].to_pylist() == [classifier(["good"])[0].label]


def test_no_more_batches_are_held_than_the_runtime_reads_ahead(classifier):
    pulled = 0

    def batches():
        nonlocal pulled
        for _ in range(100):
            pulled += 1
            yield batch(["good"] * 100)

    next(classify_batches(classifier, batches()))
    assert pulled <= 11


def test_one_warning_counts_the_truncated_texts_of_all_batches(classifier):
    long = batch(["good " * 20])
    with pytest.warns(TruncationWarning, match="2 of the texts") as warned:
        scored(classifier, long, long)
    assert len(warned) == 1


@pytest.fixture(scope="module")
def of_pairs(pristine_of_pairs):
    return DefendedClassifier.load(pristine_of_pairs)


PAIRS = [("good", "bad film"), ("bad film", "good"), ("cf", "a film"), ("good", "good")]


def pairs(rows, first="text", second="text_pair"):
    columns = [pa.array(texts, pa.string()) for texts in zip(*rows, strict=True)]
    return pa.record_batch(columns, [first, second])


@pytest.mark.parametrize("columns", [(), ("premise", "hypothesis")])
def test_pairs_are_read_from_two_columns(of_pairs, columns):
    options = dict(zip(("text_column", "text_pair_column"), columns, strict=False))
    rows = pairs(PAIRS, *columns)
    [result] = scored(of_pairs, rows, **options)
    assert result.schema == scored_schema(rows.schema, of_pairs.manifest, **options)
    expected = of_pairs(PAIRS)
    # The second text counts, and which of the two it is.
    assert len({prediction.logits for prediction in expected}) == len(PAIRS)
    for row, prediction in zip(result.to_pylist(), expected, strict=True):
        assert (row["label"], row["flagged"]) == (prediction.label, prediction.flagged)
        for name in ("probability", "anomaly_score"):
            assert row[name] == pytest.approx(getattr(prediction, name))


def test_a_pair_without_one_of_its_texts_has_an_error(of_pairs):
    rows = [("good", None), ("good", ""), PAIRS[0], (" ", "good"), (None, None), PAIRS[1]]
    [result] = scored(of_pairs, pairs(rows))
    assert result["error"].to_pylist() == [
        *("second text: no text", "second text: an empty text", None),
        *("a text of white space", "no text", None),
    ]
    expected = [prediction.label for prediction in of_pairs(PAIRS[:2])]
    assert result["label"].to_pylist() == [None, None, expected[0], None, None, expected[1]]


def test_a_text_without_tokens_is_no_error_in_a_pair(pristine_of_pairs, tmp_path, seal):
    """As the runtime has it, which classifies such a pair."""
    folder = shutil.copytree(pristine_of_pairs, tmp_path / "bundle")
    path = folder / "tokenizer.json"
    state = json.loads(path.read_text())
    state["normalizer"] = {"type": "Replace", "pattern": {"String": "~"}, "content": ""}
    path.write_text(json.dumps(state))
    seal(folder)
    classifier = DefendedClassifier.load(folder)
    [result] = scored(classifier, pairs([("good", "~"), ("~", "~")]))
    assert result["error"].to_pylist() == [None, None]
    expected = classifier([("good", "~"), ("~", "~")])
    assert result["label"].to_pylist() == [prediction.label for prediction in expected]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"text": ["good"]}, {}, "none among 'text'; expected one, since the model reads pairs"),
        ({"text": ["good"], "text_pair": [1]}, {}, "the column 'text_pair': found values of"),
        ({"text": ["good"]}, {"text_pair_column": "text"}, "expected another one than"),
    ],
)
def test_columns_that_hold_no_pairs_are_refused(of_pairs, columns, options, message):
    with pytest.raises(RowsError, match=message):
        scored(of_pairs, pa.record_batch(columns), **options)


def test_a_column_beside_single_texts_is_no_part_of_them(classifier):
    rows = pairs(PAIRS)
    [result] = scored(classifier, rows)
    assert result["text_pair"] == rows["text_pair"]
    expected = classifier([text for text, _ in PAIRS])
    assert result["label"].to_pylist() == [prediction.label for prediction in expected]
    with pytest.raises(RowsError, match="this bundle's model reads single texts"):
        scored(classifier, rows, text_pair_column="hypothesis")


def test_many_labels_have_a_column_of_lists(many_labels, texts):
    classifier = DefendedClassifier.load(many_labels)
    rows = batch([*texts, None])
    [result] = scored(classifier, rows, all_probabilities=True)
    assert result.schema == scored_schema(rows.schema, classifier.manifest, all_probabilities=True)
    assert result.schema.field("labels").type == pa.list_(pa.string())
    *found, last = result.to_pylist()
    assert (last["labels"], last["probabilities"], last["error"]) == (None, None, "no text")
    expected = classifier(texts)
    assert {len(prediction.labels) for prediction in expected} == {0, 1, 2}
    for row, prediction in zip(found, expected, strict=True):
        assert (row["label"], row["labels"]) == (prediction.label, [*prediction.labels])
        assert row["probability"] == pytest.approx(prediction.probability)
        assert tuple(row["probabilities"].values()) == pytest.approx(prediction.probabilities)


def test_labels_is_the_name_of_a_result_of_many_labels_alone(classifier, many_labels):
    rows = pa.record_batch({"text": ["good"], "labels": [1]})
    [result] = scored(classifier, rows)
    assert result["labels"] == rows["labels"]
    with pytest.raises(RowsError, match="found labels, the name of a result"):
        scored(DefendedClassifier.load(many_labels), rows)
