"""Mutates ``config.json`` and ``tokenizer_config.json`` by what their keys mean."""

import json
from typing import Any

from tests.fuzz.mutators import json_values
from tests.fuzz.mutators.json_text import write
from tests.fuzz.source import Source

SIZES = (-1, 0, 1, 2, 3, 10_000, 2**31, 2**62, 1.5, "2", None, [], True)
"""No size of ten thousand layers or neurons is one of the tiny model's weights."""

ARCHITECTURES = (
    *("albert", "distilbert", "electra", "gpt2", "llama", "mpnet", "roberta", "t5", "xlnet"),
    *("deberta-v2", "bert-generation", "nonsense", "", None, 1, ["bert"]),
)
CLASSES = (
    *(
        "PreTrainedTokenizerFast",
        "BertTokenizer",
        "BertTokenizerFast",
        "LlamaTokenizer",
        "Nonsense",
    ),
    *("GPT2Tokenizer", "T5TokenizerFast", "os.system", "../outside", "", None, 1),
)
SIZE_KEYS = (
    *("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"),
    *("vocab_size", "max_position_embeddings", "type_vocab_size", "num_labels", "pad_token_id"),
    *("chunk_size_feed_forward", "n_positions", "model_max_length", "eos_token_id"),
)


def mutate(source: Source, data: bytes) -> bytes:
    """Changes a few keys."""
    config = json.loads(data)
    for _ in range(source.choice((1, 1, 2, 3))):
        source.choice(CHANGES)(source, config)
    # Values that json itself does not write.
    text = write(config).encode("utf-8", "surrogatepass")
    return json_values.mutate(source, text) if source.once_in(20) else text


def _size(source: Source, config: dict[str, Any]) -> None:
    config[source.choice(SIZE_KEYS)] = source.choice(SIZES)


def _kind(source: Source, config: dict[str, Any]) -> None:
    """What the model and the tokenizer are, and whose code makes them."""
    key = source.choice(("model_type", "architectures", "tokenizer_class", "auto_map", "backend"))
    values = {
        "model_type": ARCHITECTURES,
        "architectures": (
            ["BertForSequenceClassification"],
            ["T5ForSequenceClassification", "BertModel"],
            [None],
            [],
            "BertForSequenceClassification",
        ),
        "tokenizer_class": CLASSES,
        "auto_map": (
            {"AutoTokenizer": ["custom.Tokenizer", None]},
            {"AutoConfig": "custom.Config", "AutoModelForSequenceClassification": "custom.Model"},
            {"AutoTokenizer": "other/repository--custom.Tokenizer"},
            [],
            "x",
        ),
        "backend": ("mistral", "tokenizers", "sentencepiece", "tiktoken", "x"),
    }
    config[key] = source.choice(values[key])


def _labels(source: Source, config: dict[str, Any]) -> None:
    config[source.choice(("id2label", "label2id"))] = source.choice(
        (
            {"0": "a"},
            {"0": "a", "1": "a"},
            {"0": "a", "2": "b"},
            {"0": None, "1": {"x": []}},
            {"0": "a", "1": "\ud800"},
            {"a": 0, "b": 1},
            {"0": "x" * 100_000, "1": "\x1b[31m"},
            {str(index): f"l{index}" for index in range(10_000)},
            {"1e0": "a", "0": "b"},
            *([], "ab", 2, None),
        )
    )


def _elsewhere(source: Source, config: dict[str, Any]) -> None:
    """Other files, folders and repositories."""
    key = source.choice(
        (
            *("_name_or_path", "name_or_path", "tokenizer_file", "vocab_file", "merges_file"),
            *("transformers_weights", "configuration_files", "chat_template", "special_tokens_map"),
            *("special_tokens_map_file", "added_tokens_file", "spm_file", "_commit_hash"),
            *("fast_tokenizer_files", "adapter", "base_model_name_or_path", "cache_dir"),
        )
    )
    outside = source.outside
    config[key] = source.choice(
        (str(outside), f"../{outside.name}", [str(outside)], "other/repository", "/dev/zero", 1, {})
    )


def _settings(source: Source, config: dict[str, Any]) -> None:
    """Switches of the loader that change what is built."""
    key, value = source.choice(
        (
            ("torch_dtype", "float8_e4m3fn"),
            ("dtype", "nonsense"),
            ("dtype", {"": "float16"}),
            ("quantization_config", {"quant_method": "bitsandbytes", "load_in_8bit": True}),
            ("quantization_config", {"quant_method": "nonsense"}),
            ("quantization_config", []),
            ("attn_implementation", "flash_attention_2"),
            ("_attn_implementation", "other/kernel:function"),
            ("position_embedding_type", "relative_key"),
            ("hidden_act", source.choice(("nonsense", "gelu_new", None, "quick_gelu", 1))),
            ("hidden_dropout_prob", source.choice((-1, 2, float("nan"), "x"))),
            ("layer_norm_eps", source.choice((0, -1, "x", 1e308))),
            ("pruned_heads", {"0": [0, 1], "1": [7]}),
            ("is_decoder", True),
            ("add_cross_attention", True),
            ("tie_word_embeddings", 1),
            ("gradient_checkpointing", True),
            ("problem_type", source.choice(("regression", "multi_label_classification", 1, []))),
            ("use_cache", "x"),
            ("output_hidden_states", True),
            ("return_dict", False),
            ("torchscript", True),
            ("rope_scaling", {"type": "yarn", "factor": -1}),
            ("tp_plan", {"*": "colwise"}),
            (
                "model_input_names",
                source.choice(([], ["x"], ["input_ids"], "input_ids", None, [1])),
            ),
            ("padding_side", source.choice(("left", "up", None))),
            ("truncation_side", source.choice(("left", "up", None))),
            ("do_lower_case", True),
            ("add_prefix_space", True),
            ("clean_up_tokenization_spaces", 1),
            ("from_slow", True),
            ("use_fast", False),
            ("split_special_tokens", True),
            ("pad_token", source.choice((None, "missing", "", {"content": "x"}, 1, ["[PAD]"]))),
            ("unk_token", source.choice((None, "missing", {"__type": "AddedToken", "content": 1}))),
            ("cls_token", source.choice((None, "x" * 10_000, "\ud800"))),
            ("extra_special_tokens", source.choice(([], {"a": "b"}, "x", [1]))),
            ("added_tokens_decoder", {source.choice(("0", "x", "4294967295")): {"content": "q"}}),
        )
    )
    config[key] = value


def _missing(source: Source, config: dict[str, Any]) -> None:
    if config:
        del config[source.choice(sorted(config))]


CHANGES = (
    _size,
    _size,
    _kind,
    _kind,
    _labels,
    _elsewhere,
    _elsewhere,
    _settings,
    _settings,
    _missing,
)
