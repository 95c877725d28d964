"""Clean rows are read, checked and split."""

import json

import pytest
import tiny_transformers

from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_calib.rows.clean_rows import (
    CleanRow,
    encode_rows,
    read_clean_rows,
    rows_from_jsonl,
    rows_needed,
    rows_to_jsonl,
)
from clampdown_runtime import (
    CalibrationError,
    LabelColumnWarning,
    Padding,
    RowFormat,
    RowsError,
)

LABELS = ("negative", "positive")


def write(path, count=50, label="negative"):
    rows = [
        {"text": f"text {i}"} | ({} if label is None else {"label": label}) for i in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def clean(tmp_path):
    return tmp_path / "clean.jsonl"


def test_halves_are_disjoint_and_follow_the_seed(clean):
    write(clean, 51)
    rows = read_clean_rows(clean, LABELS, frr=0.1, halves=True, seed=0)
    assert [row.text for row in rows] == [f"text {i}" for i in range(51)]
    parts = [row.part for row in rows]
    assert parts.count("held-out") == 25
    assert parts.count("fit") == 26
    assert rows == read_clean_rows(clean, LABELS, frr=0.1, halves=True, seed=0)
    assert parts != [
        row.part for row in read_clean_rows(clean, LABELS, frr=0.1, halves=True, seed=1)
    ]
    # A split at random, not the first half against the second: files are often sorted by label.
    assert {"fit", "held-out"} == set(parts[:12])


@pytest.mark.parametrize(("label", "expected"), [("positive", 1), (0, 0), ("1", 1), (None, None)])
def test_labels_are_names_or_numbers(clean, label, expected):
    rows = read_clean_rows(write(clean, label=label), LABELS, frr=0.1, halves=True, seed=0)
    assert {row.label for row in rows} == {expected}


def test_label_that_the_model_does_not_have_names_the_line(clean):
    lines = write(clean).read_text().splitlines()
    lines[6] = json.dumps({"text": "x", "label": "neutral"})
    clean.write_text("\n".join(lines))
    with pytest.raises(RowsError, match=r"line 7: found the label 'neutral'.*negative, positive"):
        read_clean_rows(clean, LABELS, frr=0.1, halves=True, seed=0)


def test_partly_labelled_file_is_refused(clean):
    lines = write(clean).read_text().splitlines()
    lines[4] = json.dumps({"text": "x"})
    clean.write_text("\n".join(lines))
    with pytest.raises(RowsError, match="line 5: found no label, though other rows have one"):
        read_clean_rows(clean, LABELS, frr=0.1, halves=True, seed=0)


def test_columns_of_other_names_are_read(clean):
    write(clean)
    clean.write_text(clean.read_text().replace('"text"', '"review"').replace("label", "Label"))
    with pytest.warns(LabelColumnWarning, match=r"found: Label.; pass --label-column Label$"):
        rows = read_clean_rows(clean, LABELS, RowFormat("review"), frr=0.1, halves=False, seed=0)
    assert {row.label for row in rows} == {None}
    row_format = RowFormat("review", "Label")
    rows = read_clean_rows(clean, LABELS, row_format, frr=0.1, halves=False, seed=0)
    assert {row.label for row in rows} == {0}


def test_all_rows_do_both_where_there_are_no_halves(clean):
    rows = read_clean_rows(write(clean, 51), LABELS, frr=0.1, halves=False, seed=0)
    assert [row.text for row in rows] == [f"text {i}" for i in range(51)]
    assert {row.part for row in rows} == {"both"}


@pytest.mark.parametrize("halves", [True, False])
@pytest.mark.parametrize("frr", [0.1, 0.01])
def test_too_few_rows_say_how_many_are_needed(clean, frr, halves):
    needed = rows_needed(frr, halves=halves)
    read_clean_rows(write(clean, needed), LABELS, frr=frr, halves=halves, seed=0)
    with pytest.raises(CalibrationError, match=f"{needed - 1} rows; expected at least {needed} "):
        read_clean_rows(write(clean, needed - 1), LABELS, frr=frr, halves=halves, seed=0)


def test_jsonl_keeps_every_text():
    texts = ["two\nlines", "a\u2028b\u0085c\x0bd", 'quote " and \\', "Käfer 🎉", "a\r\n"]
    rows = tuple(CleanRow(text, None, "fit") for text in texts)
    assert rows_from_jsonl(rows_to_jsonl(rows), 2) == rows


@pytest.fixture
def tokenization(tmp_path):
    tiny_transformers.save_tokenizer(tmp_path)
    text = (tmp_path / "tokenizer.json").read_text()
    inputs = ("input_ids", "attention_mask")
    return Tokenization(text, "{}", inputs, 8, Padding("right", 0, 0))


def test_parts_are_encoded_and_batched_with_their_labels(tokenization):
    texts = tiny_transformers.texts(80)
    rows = [
        CleanRow(text, index % 2, "fit" if index % 4 else "held-out")
        for index, text in enumerate(texts)
    ]
    encoded = encode_rows(rows, "fit", tokenization)
    assert len(encoded.ids) == 60
    assert encoded.labels.tolist() == [row.label for row in rows if row.part == "fit"]
    seen = []
    for numbers, inputs in encoded.batches():
        assert set(inputs) == {"input_ids", "attention_mask"}
        for number, ids, mask in zip(numbers, *inputs.values(), strict=True):
            assert ids[mask == 1].tolist() == encoded.ids[number]
            assert len(encoded.ids[number]) <= 8
        seen += numbers
    assert sorted(seen) == list(range(60))


def test_rows_that_do_both_are_in_either_part(tokenization):
    rows = [CleanRow(text, None, "both") for text in tiny_transformers.texts(9)]
    fit, held_out = (encode_rows(rows, part, tokenization) for part in ("fit", "held-out"))
    assert len(fit.ids) == 9
    assert fit.ids == held_out.ids


def test_rows_without_labels_have_none(tokenization):
    assert encode_rows([CleanRow("good", None, "fit")], "fit", tokenization).labels is None


def test_row_without_tokens_is_refused(tokenization):
    specials = json.loads(tokenization.tokenizer_json)
    specials["post_processor"] = None
    bare = Tokenization(json.dumps(specials), "{}", ("input_ids",), 8, Padding("right", 0, 0))
    with pytest.raises(RowsError, match=r"'\\u200b.*no tokens"):
        encode_rows([CleanRow("\u200b\u3000 ", None, "fit")], "fit", _stripping(bare))


def _stripping(tokenization):
    """The same, with a normaliser that removes what is not visible."""
    specials = json.loads(tokenization.tokenizer_json)
    specials["normalizer"] = {"type": "Replace", "pattern": {"Regex": "[^a-z]"}, "content": ""}
    return Tokenization(json.dumps(specials), "{}", tokenization.inputs, 8, tokenization.padding)
