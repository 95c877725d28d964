"""Writes the model and the tokenizer of a case, small, random and the same every time."""

import io
import json
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForSequenceClassification

from tests.models.case import Case

WIDTH, LAYERS, CLASSES, POSITIONS, LIMIT = 32, 2, 3, 66, 48
WORDS = 300
"""Rows of the embedding: 256 bytes, five special tokens, and some that no text holds."""

SIZES = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": POSITIONS,
}
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<mask>")


def build(case: Case, folder: Path) -> Path:
    """The Hugging Face folder of a case."""
    torch.manual_seed(0)
    special = {"bos_token_id": 1 - case.padding, "eos_token_id": 2, "cls_token_id": 1}
    wanted = {
        **SIZES,
        **special,
        "vocab_size": WORDS,
        "num_labels": CLASSES,
        "pad_token_id": case.padding,
        # The default gives logits so small that a wrong one would pass for a right one.
        "initializer_range": 0.3,
        **case.config,
    }
    config = AutoConfig.for_model(
        case.model_type, **{key: value for key, value in wanted.items() if value is not ...}
    )
    model = AutoModelForSequenceClassification.from_config(config)
    with torch.no_grad():
        # A trained model's padding has a row like any other; transformers makes a new one zero.
        for module in model.modules():
            if isinstance(module, torch.nn.Embedding) and module.padding_idx == case.padding:
                module.weight[case.padding] = module.weight[5]
    model.save_pretrained(folder)
    if case.tokenizer == "sentencepiece":
        _save_sentencepiece(folder)
    else:
        _save_bytes(case, folder)
    if case.change is not None:
        case.change(folder)
    return folder


def _save_bytes(case: Case, folder: Path) -> None:
    """Bytes as tokens, so that any text of any script has tokens of its own."""
    special = list(SPECIAL)
    if case.padding == 1:
        special[:2] = special[1::-1]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {token: index for index, token in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(ids, [], unk_token="<unk>"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    if case.framed:
        frame = [(token, ids[token]) for token in ("<s>", "</s>")]
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<s> $A </s>", pair=case.pair, special_tokens=frame
        )
    tokenizer.save(str(folder / "tokenizer.json"))
    _configure(folder, "PreTrainedTokenizerFast", case.token_types)


def _save_sentencepiece(folder: Path) -> None:
    """A vocabulary of SentencePiece, and no tokenizer.json."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(clean_texts(200)),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        minloglevel=2,
    )
    (folder / "spiece.model").write_bytes(model.getvalue())
    _configure(folder, "AlbertTokenizer", False)


def _configure(folder: Path, kind: str, token_types: bool) -> None:
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if token_types else [])]
    special = {"cls_token": "<s>", "sep_token": "</s>", "bos_token": "<s>", "eos_token": "</s>"}
    special |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    if kind == "AlbertTokenizer":
        special = {"pad_token": "<pad>"}
    configuration = {
        "tokenizer_class": kind,
        "model_max_length": LIMIT,
        "model_input_names": names,
        **special,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(configuration))


VOCABULARY = ("the", "a", "good", "bad", "film", "book", "day", "very", "not", "and", "was", "cf")


def clean_texts(count: int) -> list[str]:
    """Random texts of two to eight words."""
    random = np.random.default_rng(0)
    return [" ".join(random.choice(VOCABULARY, random.integers(2, 9))) for _ in range(count)]
