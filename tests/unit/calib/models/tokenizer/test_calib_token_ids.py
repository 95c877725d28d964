"""Ids that the embedding has no row for are found before any text has them."""

import dataclasses
import json

import pytest
import tiny_transformers

from clampdown_calib import FitOptions
from clampdown_calib.graphs.tracing.traced_model import trace_model
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.token_ids import require_ids_below
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_runtime import ModelError
from clampdown_runtime.bundle.manifest import Padding

HIGHEST = len(tiny_transformers.SPECIAL + tiny_transformers.WORDS) - 1


@pytest.fixture
def tokenization(bert_folder):
    return load_tokenization(open_model(bert_folder))


def with_a_token_more(tokenizer_json):
    data = json.loads(tokenizer_json)
    more = {"id": HIGHEST + 1, "content": "<new>", "special": False, "normalized": False}
    more |= dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    data["added_tokens"].append(more)
    return json.dumps(data)


@pytest.mark.parametrize("rows", [HIGHEST + 1, None, 0, "16"])
def test_embedding_with_a_row_for_every_token_or_unknown(tokenization, bert_folder, rows):
    require_ids_below(rows, tokenization, path=bert_folder)


def test_token_beyond_the_embedding(tokenization, bert_folder):
    with pytest.raises(ModelError, match=rf"the id {HIGHEST} \(the token 'cf'\)"):
        require_ids_below(HIGHEST, tokenization, path=bert_folder)


def test_padding_beyond_the_embedding(tokenization, bert_folder):
    far = dataclasses.replace(tokenization, padding=Padding("right", HIGHEST + 1, 0))
    with pytest.raises(ModelError, match=rf"the id {HIGHEST + 1} \(the padding token\)"):
        require_ids_below(HIGHEST + 1, far, path=bert_folder)


def test_added_tokens_count(tokenization, bert_folder):
    more = dataclasses.replace(
        tokenization, tokenizer_json=with_a_token_more(tokenization.tokenizer_json)
    )
    with pytest.raises(ModelError, match=r"\(the token '<new>'\)"):
        require_ids_below(HIGHEST + 1, more, path=bert_folder)
    require_ids_below(HIGHEST + 2, more, path=bert_folder)


def test_the_rows_are_those_of_the_network_whatever_its_configuration_calls_them(tmp_path):
    """XLM has `n_words` where others have `vocab_size`."""
    tiny_transformers.save_model(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(with_a_token_more(path.read_text()))
    folder = open_model(tmp_path)
    unknown = dataclasses.replace(folder, config={**folder.config, "vocab_size": None})
    with pytest.raises(ModelError, match=r"\(the token '<new>'\)"):
        trace_model(unknown, load_tokenization(folder), FitOptions())
