"""Pairs of texts: tokens as Transformers makes them, and bundles that read pairs or none."""

import json
import shutil

import numpy as np
import pytest
import tiny_bundle
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from clampdown_runtime import DefendedClassifier, check_golden, read_golden
from clampdown_runtime.bundle.manifest import Padding
from clampdown_runtime.errors import BundleError, ClampdownError, RowsError
from clampdown_runtime.tokenizer import CHARACTERS_PER_TOKEN, BundleTokenizer, pad_batch

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "good", "film", "電", "影", "😀")
FRAME = [("[CLS]", 2), ("[SEP]", 3)]
PROCESSORS = {
    "bert": processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)),
    "roberta": processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2)),
    "template": processors.TemplateProcessing(
        single="$A [SEP]", pair="$A:2 [SEP]:2 $B:1 [SEP]:1 [CLS]:3", special_tokens=FRAME
    ),
    "sequence": processors.Sequence(
        [
            processors.ByteLevel(),
            processors.TemplateProcessing(
                single="[CLS] $A", pair="[CLS] $A [CLS] $B", special_tokens=FRAME
            ),
        ]
    ),
}
TEXTS = [
    "good",
    "good film",
    "電影很好看",
    "so good 😀 film 👩‍👩‍👧",
    "a [SEP] b",
    "film " * 20,
    "b " * 21,
]


def tokenizer_of(processor):
    ids = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[CLS]", "[SEP]"])
    if processor is not None:
        tokenizer.post_processor = processor
    return tokenizer


def bundle_tokenizer(tokenizer, max_length, side="right"):
    source = tokenizer.to_str().encode()
    return BundleTokenizer(source, max_length, truncation_side=side, text_pair=True, name="it")


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("name", list(PROCESSORS))
def test_pairs_are_read_as_transformers_reads_them(name, side):
    transformers = pytest.importorskip("transformers")
    tokenizer = tokenizer_of(PROCESSORS[name])
    theirs = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        truncation_side=side,
        unk_token="[UNK]",  # noqa: S106
    )
    pairs = [(one, other) for one in TEXTS for other in TEXTS]
    # Every way in which two texts can be longer than half of the room.
    pairs += [("a " * n, "b " * m) for n in range(1, 14) for m in range(1, 14)]
    for max_length in (6, 9, 16, 64):
        found = bundle_tokenizer(tokenizer, max_length, side).encode(pairs)
        expected = theirs(
            *map(list, zip(*pairs, strict=True)),
            truncation=True,
            max_length=max_length,
            return_token_type_ids=True,
        )
        assert [item.ids for item in found] == expected["input_ids"]
        assert [item.type_ids for item in found] == expected["token_type_ids"]
        whole = theirs(*map(list, zip(*pairs, strict=True)))["input_ids"]
        cut = [len(ids) > max_length for ids in whole]
        assert [item.truncated for item in found] == cut
        assert any(cut) == (max_length < 40)


def test_each_text_is_read_as_far_as_its_tokens_can_reach():
    readable = 8 * CHARACTERS_PER_TOKEN
    tokenizer = bundle_tokenizer(tokenizer_of(PROCESSORS["bert"]), 8)
    within, behind = (" " * (readable - 4 + more) + "good" for more in range(2))
    for place in (0, 1):
        for text, truncated in ((within, False), (behind, True)):
            pair = ("film", text) if place else (text, "film")
            [found] = tokenizer.encode([pair])
            assert found.truncated == truncated
            # "goo" is no word.
            assert (6 in found.ids) == (not truncated)


def test_two_endless_texts_take_no_more_memory_than_two():
    """The package would put what is cut off of one together with all that is of the other."""
    tokenizer = bundle_tokenizer(tokenizer_of(PROCESSORS["bert"]), 128)
    endless = "a " * (CHARACTERS_PER_TOKEN * 128)
    [found] = tokenizer.encode([(endless, endless)])
    assert len(found.ids) == 128
    assert tokenizer._tokenizer.truncation is None


@pytest.mark.parametrize(
    "processor",
    [
        None,
        processors.ByteLevel(),
        # The package's own template of pairs, where none is given.
        processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=FRAME),
    ],
)
def test_a_tokenizer_that_does_not_part_two_texts_is_refused(processor):
    with pytest.raises(BundleError, match="nothing that parts two texts"):
        bundle_tokenizer(tokenizer_of(processor), 8)


@pytest.mark.parametrize("pair", ["$B [SEP] $A", "$A [SEP] $B [SEP] $A"])
def test_texts_that_change_places_or_repeat_are_refused(pair):
    processor = processors.TemplateProcessing(single="$A", pair=pair, special_tokens=FRAME)
    with pytest.raises(BundleError, match="does not stand there once"):
        bundle_tokenizer(tokenizer_of(processor), 8)


def test_room_for_a_token_of_each_text_is_needed():
    bundle_tokenizer(tokenizer_of(PROCESSORS["bert"]), 5)
    with pytest.raises(BundleError, match="3 special tokens around a pair; expected at least two"):
        bundle_tokenizer(tokenizer_of(PROCESSORS["bert"]), 4)


@pytest.mark.parametrize("side", ["right", "left"])
def test_token_types_are_padded_with_their_rows(side):
    padding = Padding(side, token_id=9, type_id=3)
    arrays = pad_batch([[5, 6, 7], [8]], padding, ("token_type_ids",), [[0, 1, 1], [2]])
    shorter = [2, 3, 3] if side == "right" else [3, 3, 2]
    assert arrays["token_type_ids"].tolist() == [[0, 1, 1], shorter]


@pytest.fixture(scope="module")
def of_pairs(pristine_of_pairs):
    return DefendedClassifier.load(pristine_of_pairs)


@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_a_pair_is_classified_with_its_token_types(of_pairs):
    pairs = list(tiny_bundle.PAIRS)
    alone = [of_pairs([pair])[0] for pair in pairs]
    for batch_size in (1, 3, 32):
        found = of_pairs([list(pair) for pair in pairs], batch_size=batch_size)
        np.testing.assert_allclose([p.logits for p in found], [p.logits for p in alone], atol=1e-5)
    assert list(of_pairs.stream(iter(pairs), window=2, batch_size=1)) == alone
    # The graph adds an embedding of the type, so that zeros would give other logits.
    [first] = of_pairs.tokenizer.encode(pairs[:1])
    assert first.ids == [2, 4, 3, 5, 3]
    assert first.type_ids == [0, 0, 0, 1, 1]
    typed = of_pairs.run_ids([first.ids], type_ids=[first.type_ids])
    assert tuple(typed.logits[0].tolist()) == alone[0].logits
    assert not np.allclose(of_pairs.run_ids([first.ids]).logits, typed.logits, atol=1e-3)


def test_token_types_of_another_number_are_refused(of_pairs):
    for types, row in (([[0, 0], [0]], 1), ([[0, 0]], 1), ([[0], [0, 0]], 0)):
        with pytest.raises(RowsError, match=f"row {row}: found . token types"):
            of_pairs.run_ids([[4, 5], [4, 5]], type_ids=types)


@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_either_kind_of_bundle_refuses_the_other_kind_of_text(of_pairs, classifier):
    for given in ("good", None, 5, ("good",), ("a", "b", "c")):
        with pytest.raises(RowsError, match=r"text 1: found .*; expected a pair of texts"):
            of_pairs([("good", "bad"), given])
    for texts in ([("good", "bad")], [["good", "bad"]]):
        with pytest.raises(RowsError, match="text 0: found a pair of texts; expected a single"):
            classifier(texts)
    with pytest.raises(RowsError, match="text 0, the second of its pair: found an empty text"):
        of_pairs([("good", "")])
    # A pair in the place of a list of pairs.
    with pytest.raises(RowsError, match="text 0: found a single text"):
        of_pairs(("good", "bad"))


def test_windows_of_pairs_are_refused(of_pairs):
    with pytest.raises(ClampdownError, match="Windows: found a bundle whose model reads pairs"):
        of_pairs.documents([("good", "bad")])


def test_golden_pairs_are_written_and_checked_with_their_types(of_pairs, pristine_of_pairs):
    golden = read_golden(of_pairs.bundle)
    text = (pristine_of_pairs / "golden.json").read_text()
    assert golden.to_json() == text
    assert json.loads(text)["format_version"] == 2
    assert json.loads(text)["rows"][0]["text_pair"] == "bad"
    assert check_golden(of_pairs, golden) == []


def test_another_type_in_a_golden_row_is_found(of_pairs, pristine_of_pairs, tmp_path, seal):
    folder = shutil.copytree(pristine_of_pairs, tmp_path / "bundle")
    golden = json.loads((folder / "golden.json").read_text())
    golden["rows"][0]["token_type_ids"][1] = 1
    (folder / "golden.json").write_text(json.dumps(golden))
    seal(folder)
    found = {row.field for row in check_golden(of_pairs, read_golden(folder / "golden.json"))}
    assert {"token_type_ids", "logits"} <= found


def test_golden_rows_of_single_texts_do_not_check_a_bundle_of_pairs(of_pairs, classifier):
    singles, pairs = read_golden(classifier.bundle), read_golden(of_pairs.bundle)
    assert {row.field for row in check_golden(of_pairs, singles)} == {"text_pair"}
    assert {row.field for row in check_golden(classifier, pairs)} == {"text_pair"}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"format_version": 1}, "text_pair"),
        ({"text_pair": ...}, "no `text_pair`"),
        ({"text_pair": 1}, "text_pair"),
        ({"token_type_ids": [0]}, "1 types"),
    ],
)
def test_golden_pairs_are_read_strictly(pristine_of_pairs, tmp_path, change, found):
    golden = json.loads((pristine_of_pairs / "golden.json").read_text())
    golden |= {key: value for key, value in change.items() if key in golden}
    row = golden["rows"][0] | {key: value for key, value in change.items() if key not in golden}
    golden["rows"][0] = {key: value for key, value in row.items() if value is not ...}
    path = tmp_path / "golden.json"
    path.write_text(json.dumps(golden))
    with pytest.raises(BundleError, match=found):
        read_golden(path)
