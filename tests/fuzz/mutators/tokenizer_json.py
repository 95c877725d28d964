"""Mutates a ``tokenizer.json`` by what its parts mean."""

import json
from typing import Any

from tests.fuzz.mutators import json_values
from tests.fuzz.source import Source

IDS = (-1, 0, 15, 16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63, 1.5, "1", None)
NUMBERS = (-1, 0, 1, 2, 3, 2**20, 2**32, 2**63 - 1, 2**64 - 1, 1.5, None)

PATTERNS = (
    "",
    "(",
    ".*",
    "^",
    "(a+)+$",
    "(.*)*x",
    "(?=.)",
    "(?<=a)b",
    "\\p{L}+|\\s",
    "\\",
    "[",
    "(?R)",
    "(((((((((((((((((((((a?){9}){9}){9}){9})))))))))))))))))",
    "\\w{1,1000}{1,1000}",
)


def mutate(source: Source, data: bytes) -> bytes:
    """A few changes of one part each."""
    tokenizer = json.loads(data)
    for _ in range(source.choice((1, 1, 2, 3))):
        source.choice(CHANGES)(source, tokenizer)
    text = json.dumps(tokenizer).encode()
    return json_values.mutate(source, text) if source.once_in(10) else text


def _pattern(source: Source) -> dict[str, str]:
    return {source.choice(("Regex", "Regex", "String", "Other")): source.choice(PATTERNS)}


def _ids(source: Source, tokenizer: dict[str, Any]) -> None:
    """Ids that are huge, negative or there twice; words that are odd; no words."""
    vocabulary = tokenizer["model"].get("vocab")
    if not isinstance(vocabulary, dict) or not vocabulary:
        return
    word = source.choice(sorted(vocabulary))
    change = source.randrange(5)
    if change == 0:
        vocabulary[word] = source.choice(IDS)
    elif change == 1:
        del vocabulary[word]
    elif change == 2:
        vocabulary[source.choice(("", " ", "\0", "x" * 10_000, "##"))] = source.choice(IDS)
    elif change == 3:
        vocabulary.clear()
    else:
        vocabulary.update({f"w{index}": source.randrange(2**32) for index in range(1000)})


def _model(source: Source, tokenizer: dict[str, Any]) -> None:
    """Another kind of model, or another unknown token."""
    model = tokenizer["model"]
    vocabulary = model.get("vocab")
    words = sorted(vocabulary) if isinstance(vocabulary, dict) else ["a", "b"]
    tokenizer["model"] = source.choice(
        (
            {**model, "unk_token": source.choice((None, "", "missing", "[UNK]", 0))},
            {"type": "BPE", "vocab": vocabulary, "merges": source.choice(_merges(words))},
            {
                "type": "BPE",
                "vocab": vocabulary,
                "merges": [],
                "dropout": source.choice((0.5, 1.0, 2.0, -1, "x")),
                "byte_fallback": True,
                "unk_token": source.choice((None, "missing")),
            },
            {
                "type": "WordPiece",
                "vocab": vocabulary,
                "unk_token": source.choice(("[UNK]", "missing", None)),
                "continuing_subword_prefix": source.choice(("##", "", "x" * 1000)),
                "max_input_chars_per_word": source.choice(NUMBERS),
            },
            {
                "type": "Unigram",
                "vocab": source.choice(
                    (
                        [],
                        [["a", 0.0]],
                        [[word, -1.0] for word in words],
                        [["", 0.0], ["a", 1e308], ["a", -1e308]],
                        [["a", None]],
                    )
                ),
                "unk_id": source.choice(NUMBERS),
                "byte_fallback": source.once_in(2),
            },
            {"type": "Nonsense"},
            None,
        )
    )
    if not isinstance(tokenizer["model"], dict):
        tokenizer["model"] = model if source.once_in(2) else {}


def _merges(words: list[str]) -> tuple[object, ...]:
    return (
        [],
        ["a b"],
        [["a", "b"]],
        ["t h", "th e"],
        ["a"],
        [" ".join(words)],
        {},
        ["a b"] * 1000,
    )


def _normalizer(source: Source, tokenizer: dict[str, Any]) -> None:
    one = source.choice(
        (
            {"type": "Replace", "pattern": _pattern(source), "content": source.choice(PATTERNS)},
            {"type": "Replace", "pattern": {"String": "a"}, "content": "a" * 10_000},
            {"type": "Prepend", "prepend": source.choice(("", "x", "y" * 10_000))},
            {
                "type": "Precompiled",
                "precompiled_charsmap": source.choice(("", "AAAA", "/////w==")),
            },
            {"type": "BertNormalizer", "clean_text": 1},
            *({"type": name} for name in ("NFKC", "Lowercase", "StripAccents", "Nmt", "Nonsense")),
            {"type": "Strip", "strip_left": True, "strip_right": True},
            {"type": "ByteLevel"},
            None,
        )
    )
    tokenizer["normalizer"] = _nested(source, one, "normalizers")


def _splitter(source: Source, tokenizer: dict[str, Any]) -> None:
    behaviours = ("Removed", "Isolated", "MergedWithNext", "Contiguous", "Nonsense")
    one = source.choice(
        (
            {
                "type": "Split",
                "pattern": _pattern(source),
                "behavior": source.choice(behaviours),
                "invert": source.once_in(2),
            },
            {
                "type": "Metaspace",
                "replacement": source.choice(("_", "", "ab", "\ud7ff")),
                "prepend_scheme": source.choice(("always", "never", "x")),
                "split": True,
            },
            {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": True,
                "use_regex": True,
            },
            {"type": "CharDelimiterSplit", "delimiter": source.choice((" ", "", "ab"))},
            {"type": "FixedLength", "length": source.choice(NUMBERS)},
            {"type": "Digits", "individual_digits": True},
            {"type": "Punctuation", "behavior": source.choice(behaviours)},
            {"type": "UnicodeScripts"},
            {"type": "Nonsense"},
            None,
        )
    )
    tokenizer["pre_tokenizer"] = _nested(source, one, "pretokenizers")


def _nested(source: Source, one: object, parts: str) -> object:
    for _ in range(source.choice((0, 0, 0, 1, 40, 100))):
        one = {"type": "Sequence", parts: [one]}
    return one


def _template(source: Source, tokenizer: dict[str, Any]) -> None:
    """Special tokens around a text: unknown, without ids, with odd ones, or very many."""
    token = source.choice(("[CLS]", "missing", ""))
    special = {"SpecialToken": {"id": token, "type_id": source.choice(NUMBERS)}}
    text = {
        "Sequence": {"id": source.choice(("A", "B", "C")), "type_id": source.choice((0, 1, -1))}
    }
    count = source.choice((0, 1, 4, 100))
    ids = source.choice(([], [source.choice(IDS)], [1, 2, 3]))
    tokenizer["post_processor"] = source.choice(
        (
            {
                "type": "TemplateProcessing",
                "single": [special] * count + [text] * source.choice((0, 1, 2, 20)),
                "pair": source.choice(([], [text])),
                "special_tokens": {token: {"id": token, "ids": ids, "tokens": [token] * len(ids)}},
            },
            {
                "type": source.choice(("BertProcessing", "RobertaProcessing")),
                "sep": ["[SEP]", source.choice(IDS)],
                "cls": ["[CLS]", source.choice(IDS)],
                "trim_offsets": True,
                "add_prefix_space": True,
            },
            {
                "type": "ByteLevel",
                "add_prefix_space": True,
                "trim_offsets": True,
                "use_regex": True,
            },
            None,
        )
    )


def _lengths(source: Source, tokenizer: dict[str, Any]) -> None:
    """Truncation and padding of its own, which nobody should follow."""
    tokenizer["truncation"] = {
        "direction": source.choice(("Left", "Right", "Up")),
        "max_length": source.choice(NUMBERS),
        "strategy": source.choice(("LongestFirst", "OnlyFirst", "OnlySecond", "x")),
        "stride": source.choice(NUMBERS),
    }
    tokenizer["padding"] = {
        "strategy": source.choice(("BatchLongest", {"Fixed": source.choice(NUMBERS)})),
        "direction": source.choice(("Left", "Right")),
        "pad_to_multiple_of": source.choice(NUMBERS),
        "pad_id": source.choice(IDS),
        "pad_type_id": source.choice(NUMBERS),
        "pad_token": "[PAD]",
    }


def _added(source: Source, tokenizer: dict[str, Any]) -> None:
    count = source.choice((1, 1, 3, 1000))
    words = ("", " ", "a", "film", "[CLS]", "\0", "x" * 10_000, "(", "é")
    tokenizer["added_tokens"] = [
        {
            "id": source.choice((*IDS, index)),
            "content": source.choice(words) if count < 10 else f"t{index}",
            "single_word": source.once_in(2),
            "lstrip": source.once_in(2),
            "rstrip": source.once_in(2),
            "normalized": source.once_in(2),
            "special": source.once_in(2),
        }
        for index in range(count)
    ]


def _decoder(source: Source, tokenizer: dict[str, Any]) -> None:
    tokenizer["decoder"] = source.choice(
        (
            {"type": "Replace", "pattern": _pattern(source), "content": ""},
            {
                "type": "Strip",
                "content": source.choice((" ", "", "ab")),
                "start": 2**40,
                "stop": -1,
            },
            {"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": True},
            {"type": "Nonsense"},
        )
    )


CHANGES = (
    *(_ids, _ids, _model, _model, _normalizer, _normalizer, _splitter, _splitter, _template),
    *(_template, _lengths, _added, _added, _decoder),
)
