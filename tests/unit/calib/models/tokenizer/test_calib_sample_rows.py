"""Rows to try a model on: framed by its special tokens, short, and as long as it takes."""

import tiny_transformers

from clampdown_calib.models.tokenizer.sample_rows import LONGEST, SHORT, SampleRows
from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_runtime.bundle.manifest import Padding
from clampdown_runtime.tokenizer import Encoded

CLS, SEP = (tiny_transformers.SPECIAL.index(token) for token in ("[CLS]", "[SEP]"))


def rows(tmp_path, max_length, *, text_pair=False):
    tiny_transformers.save_tokenizer(tmp_path)
    text = (tmp_path / "tokenizer.json").read_text()
    inputs = ("input_ids", "attention_mask")
    padding = Padding("right", 0, 0)
    tokenization = Tokenization(text, "{}", inputs, max_length, padding, text_pair=text_pair)
    return SampleRows.of(tokenization)


def test_rows_of_a_tokenizer(tmp_path):
    for limit, short, long in ((512, SHORT, 512), (10, 10, 10), (10**6, SHORT, LONGEST)):
        found = rows(tmp_path, limit)
        assert (len(found.short), len(found.long)) == (short, long)
        for row in (found.short, found.long):
            assert (row[0], row[-1]) == (CLS, SEP)


def test_rows_of_pairs_have_the_token_types_of_both_texts(tmp_path):
    found = rows(tmp_path, 32, text_pair=True)
    for row, types in ((found.short, found.short_types), (found.long, found.long_types)):
        middle = row.index(SEP) + 1
        assert types == (0,) * middle + (1,) * (len(row) - middle)
        assert set(types) == {0, 1}
    assert rows(tmp_path, 32).long_types is None


def test_single_token_is_doubled(tmp_path, monkeypatch):
    one = Encoded([7], truncated=False)
    monkeypatch.setattr(Tokenization, "encoded", lambda _self, texts: [one for _ in texts])
    assert rows(tmp_path, 512) == SampleRows((7, 7), (7,))


def test_no_token_at_all(tmp_path, monkeypatch):
    none = Encoded([], truncated=False)
    monkeypatch.setattr(Tokenization, "encoded", lambda _self, texts: [none for _ in texts])
    assert rows(tmp_path, 512) == SampleRows((1, 1), (1,))
