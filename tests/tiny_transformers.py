"""Random transformers of two layers, small enough to be made in a moment, and texts for them."""

import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = ("the", "a", "good", "bad", "film", "book", "day", "very", "not", "and", "was", "cf")


def transformer(model_type: str = "bert", **changes):
    """A random classifier of two layers."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    hidden = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    more = {"albert": {"embedding_size": 8}}.get(model_type, {})
    config = AutoConfig.for_model(
        model_type,
        **{
            "vocab_size": len(SPECIAL + WORDS),
            "num_labels": 2,
            "pad_token_id": 0,
            "intermediate_size": 32,
            "max_position_embeddings": 24,
            # The default gives logits so small that a wrong one would pass for a right one.
            "initializer_range": 0.5,
            **hidden,
            **more,
            **changes,
        },
    )
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config).eval()


def save_model(folder: Path, model_type: str = "bert", **changes) -> Path:
    """A Hugging Face folder with a random classifier and its tokenizer."""
    transformer(model_type, **changes).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_tokenizer(folder: Path) -> None:
    """Words alone, lower-cased, between ``[CLS]`` and ``[SEP]``."""
    ids = {word: index for index, word in enumerate(SPECIAL + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "model_max_length": 16,
        "model_input_names": ["input_ids", "attention_mask", "token_type_ids"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration))


def texts(count: int, *, seed: int = 0) -> list[str]:
    """Random texts of two to eight words."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, random.integers(2, 9))) for _ in range(count)]
