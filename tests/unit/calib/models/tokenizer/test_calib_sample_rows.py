"""Rows to try a model on: framed by its special tokens, short, and as long as it takes."""

import tiny_transformers

from clampdown_calib.models.tokenizer.sample_rows import LONGEST, SHORT, SampleRows
from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_runtime.bundle.manifest import Padding

CLS, SEP = (tiny_transformers.SPECIAL.index(token) for token in ("[CLS]", "[SEP]"))


def rows(tmp_path, max_length):
    tiny_transformers.save_tokenizer(tmp_path)
    text = (tmp_path / "tokenizer.json").read_text()
    inputs = ("input_ids", "attention_mask")
    return SampleRows.of(Tokenization(text, "{}", inputs, max_length, Padding("right", 0, 0)))


def test_rows_of_a_tokenizer(tmp_path):
    for limit, short, long in ((512, SHORT, 512), (10, 10, 10), (10**6, SHORT, LONGEST)):
        found = rows(tmp_path, limit)
        assert (len(found.short), len(found.long)) == (short, long)
        for row in (found.short, found.long):
            assert (row[0], row[-1]) == (CLS, SEP)


def test_single_token_is_doubled(tmp_path, monkeypatch):
    monkeypatch.setattr(Tokenization, "encode", lambda _self, texts: [[7] for _ in texts])
    assert rows(tmp_path, 512) == SampleRows((7, 7), (7,))


def test_no_token_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(Tokenization, "encode", lambda _self, texts: [[] for _ in texts])
    assert rows(tmp_path, 512) == SampleRows((1, 1), (1,))
