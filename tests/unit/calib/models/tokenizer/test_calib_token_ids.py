"""Ids that the embedding has no row for are found before any text has them."""

import json

import pytest
import tiny_transformers

from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.token_ids import require_ids_below
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_runtime import ModelError

HIGHEST = len(tiny_transformers.SPECIAL + tiny_transformers.WORDS) - 1


@pytest.fixture
def folder(tmp_path):
    tiny_transformers.save_tokenizer(tmp_path)
    (tmp_path / "model.safetensors").touch()
    return tmp_path


def load(folder, **config):
    known = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps({**known, **config}))
    return load_tokenization(open_model(folder))


def test_embedding_with_a_row_for_every_token(folder):
    assert load(folder, vocab_size=HIGHEST + 1)
    assert load(folder, text_config={"vocab_size": HIGHEST + 1})
    assert load(folder)


def test_token_beyond_the_embedding(folder):
    with pytest.raises(ModelError, match=rf"the id {HIGHEST} \(the token 'cf'\)"):
        load(folder, vocab_size=HIGHEST)
    with pytest.raises(ModelError, match=f"ids below {HIGHEST}"):
        load(folder, text_config={"vocab_size": HIGHEST})


def test_padding_beyond_the_embedding(folder):
    with pytest.raises(ModelError, match=r"the id 16 \(the padding token\)"):
        load(folder, vocab_size=HIGHEST + 1, pad_token_id=16)


def test_added_tokens_count(folder):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    more = {"id": 16, "content": "<new>", "special": False, "normalized": False}
    more |= dict.fromkeys(("single_word", "lstrip", "rstrip"), False)
    tokenizer["added_tokens"].append(more)
    with pytest.raises(ModelError, match=r"the id 16 \(the token '<new>'\)"):
        require_ids_below(16, json.dumps(tokenizer), 0, path=folder)
    require_ids_below(17, json.dumps(tokenizer), 0, path=folder)
