"""The tokenizer beside a model, as the bundle will hold it."""

import json

import pytest
import tiny_transformers
from tokenizers import normalizers
from transformers import AutoTokenizer, BertTokenizerFast, PreTrainedTokenizerFast

from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_runtime import ModelError


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "model"
    path.mkdir()
    config = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "pad_token_id": 0,
        "max_position_embeddings": 24,
    }
    (path / "config.json").write_text(json.dumps(config))
    (path / "model.safetensors").touch()
    tiny_transformers.save_tokenizer(path)
    return path


def edit(path, **changes):
    data = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not ...}))


def load(folder):
    return load_tokenization(open_model(folder))


def test_tokenization_of_a_model(folder):
    found = load(folder)
    assert found.inputs == ("input_ids", "attention_mask", "token_type_ids")
    assert (found.padding.side, found.padding.token_id) == ("right", 0)
    assert found.tokenizer_json == (folder / "tokenizer.json").read_text()
    assert found.tokenizer_config_json == (folder / "tokenizer_config.json").read_text()
    words = [*tiny_transformers.SPECIAL, *tiny_transformers.WORDS]
    assert found.encode(["The good film"]) == [
        [words.index(w) for w in ("[CLS]", "the", "good", "film", "[SEP]")]
    ]


@pytest.mark.parametrize(
    ("of_tokenizer", "of_model", "model_type", "expected"),
    [
        (16, 24, "bert", 16),
        (512, 24, "bert", 24),
        (10**30, 24, "bert", 24),
        (16, ..., "bert", 16),
        # Positions begin behind the padding id, 0 here.
        (512, 24, "roberta", 23),
        (512, 24, "ibert", 23),
    ],
)
def test_max_length_is_the_least_of_the_limits(
    folder, of_tokenizer, of_model, model_type, expected
):
    edit(folder / "tokenizer_config.json", model_max_length=of_tokenizer)
    edit(folder / "config.json", max_position_embeddings=of_model, model_type=model_type)
    found = load(folder)
    assert found.max_length == expected
    assert len(found.encode(["good " * 600])[0]) == expected


def test_no_limit_at_all_is_refused(folder):
    edit(folder / "tokenizer_config.json", model_max_length=...)
    edit(folder / "config.json", max_position_embeddings=...)
    with pytest.raises(ModelError, match="neither model_max_length nor max_position_embeddings"):
        load(folder)


@pytest.mark.parametrize("limit", [-1, 0, 1, 2, "many", [1], True, float("nan"), -float("inf")])
def test_limit_that_leaves_no_room_for_a_token_is_refused(folder, limit):
    edit(folder / "tokenizer_config.json", model_max_length=limit)
    with pytest.raises(ModelError, match=f"{folder}"):
        load(folder)


def test_positions_that_leave_no_room_for_a_token_are_refused(folder):
    edit(folder / "config.json", max_position_embeddings=1, model_type="roberta", pad_token_id=1)
    with pytest.raises(ModelError, match=f"{folder}"):
        load(folder)


def test_padding_of_the_tokenizer_serves_where_the_model_names_none(folder):
    edit(folder / "config.json", pad_token_id=...)
    assert load(folder).padding.token_id == 0


@pytest.mark.parametrize("model_type", ["gpt2", "llama"])
def test_model_that_reads_the_last_token_needs_its_own_padding(folder, model_type):
    edit(folder / "config.json", pad_token_id=..., model_type=model_type)
    with pytest.raises(ModelError, match="padding token None; expected pad_token_id in config"):
        load(folder)
    edit(folder / "config.json", pad_token_id=3)
    assert load(folder).padding.token_id == 3


@pytest.mark.parametrize("pad", [-1, 2**63])
def test_padding_that_is_no_token_id_is_none(folder, pad):
    edit(folder / "config.json", pad_token_id=pad)
    with pytest.raises(ModelError, match=f"the padding token {pad}"):
        load(folder)


@pytest.mark.parametrize("text", [None, "{", '{"version": "1.0"}'])
def test_missing_or_broken_tokenizer(folder, text):
    (folder / "tokenizer.json").unlink()
    if text is None:
        (folder / "tokenizer_config.json").unlink()
    else:
        (folder / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match=f"The tokenizer of {folder}"):
        load(folder)


def test_what_transformers_adds_to_the_file_is_kept(folder, monkeypatch):
    """A setting outside tokenizer.json, which transformers writes into it when it saves."""
    data = json.loads((folder / "tokenizer.json").read_text())
    lower, data["normalizer"] = data["normalizer"], None
    (folder / "tokenizer.json").write_text(json.dumps(data))
    assert load(folder).encode(["GOOD"]) == [[2, 1, 3]]
    load_as_it_is = PreTrainedTokenizerFast.from_pretrained.__func__

    def lowered(cls, *args, **keys):
        tokenizer = load_as_it_is(cls, *args, **keys)
        tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
        return tokenizer

    monkeypatch.setattr(PreTrainedTokenizerFast, "from_pretrained", classmethod(lowered))
    found = load(folder)
    assert found.encode(["GOOD"]) == [[2, 6, 3]]
    assert json.loads(found.tokenizer_json)["normalizer"] == lower


def test_tokenizer_that_cannot_be_saved_as_it_is_read_is_refused(folder, monkeypatch):
    call = PreTrainedTokenizerFast.__call__

    def other(self, texts, *args, **keys):
        return call(self, [text + " cf" for text in texts], *args, **keys)

    monkeypatch.setattr(PreTrainedTokenizerFast, "__call__", other)
    with pytest.raises(ModelError, match="other tokens once it is saved"):
        load(folder)


@pytest.mark.parametrize("place", ["vocabulary", "added"])
def test_id_that_would_fill_the_memory_is_refused_before_any_package_reads_it(folder, place):
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text())
    if place == "vocabulary":
        data["model"]["vocab"]["good"] = 2**32 - 7
    else:
        data["added_tokens"] = [{"content": "x", "id": 2**32 - 7}]
    path.write_text(json.dumps(data))
    with pytest.raises(ModelError, match=f"the token id {2**32 - 7}"):
        load(folder)


def test_tokenizer_that_fails_on_a_text_is_refused(folder):
    """Words that it does not know, and no token for them."""
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text())
    data["model"]["unk_token"] = "[NONE]"  # noqa: S105 - no password
    path.write_text(json.dumps(data))
    with pytest.raises(ModelError, match=r"Missing \[UNK\] token|\[NONE\]"):
        load(folder)


def as_transformers_reads(folder, texts, length=16):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer(texts, truncation=True, max_length=length)["input_ids"]


TEXTS = [
    "the film",
    "the " * 30 + "good",
    "a [CLS] film",
    "the<x>film",
    "<x>",
    "電影 good",
    "GOOD ÉÉ",
]


def test_side_that_is_cut_off_is_the_models(folder):
    edit(folder / "tokenizer_config.json", truncation_side="left")
    found = load(folder)
    assert found.truncation_side == "left"
    ids = found.encode(TEXTS)
    assert ids == as_transformers_reads(folder, TEXTS)
    assert ids[1][-2] == tiny_transformers.WORDS.index("good") + len(tiny_transformers.SPECIAL)


def test_tokens_that_another_file_adds_are_read(folder):
    """In a configuration or a file of their own, and not in tokenizer.json."""
    added = {"content": "<x>", "special": False, "normalized": False}
    edit(
        folder / "tokenizer_config.json",
        added_tokens_decoder={
            "16": {**added, "lstrip": False, "rstrip": False, "single_word": False}
        },
    )
    expected = as_transformers_reads(folder, TEXTS)
    assert 16 in expected[3]
    assert load(folder).encode(TEXTS) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"do_lower_case": False},
        {"strip_accents": True},
        {"tokenize_chinese_chars": False},
    ],
)
def test_normalisers_settings_are_those_that_transformers_reads(tmp_path, folder, changes):
    """They stand in two files, which can contradict each other."""
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "good",
        "GOOD",
        "電",
        "影",
        "電影",
        "e",
        "é",
        "film",
    ]
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(words))
    BertTokenizerFast(vocab_file=str(vocabulary)).save_pretrained(folder)
    edit(folder / "tokenizer_config.json", model_max_length=16, **changes)
    texts = ["GOOD film", "電影", "é film"]
    assert load(folder).encode(texts) == as_transformers_reads(folder, texts)
