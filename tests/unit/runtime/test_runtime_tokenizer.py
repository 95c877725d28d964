import json
from types import SimpleNamespace

import numpy as np
import pytest

from clampdown_runtime import DefendedClassifier
from clampdown_runtime.bundle.manifest import Padding
from clampdown_runtime.errors import BundleError
from clampdown_runtime.tokenizer import CHARACTERS_PER_TOKEN, BundleTokenizer, Encoded, pad_batch

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def test_only_the_manifest_truncates_and_nothing_pads(pristine):
    tokenizer = BundleTokenizer(pristine / "tokenizer.json", 8)
    assert tokenizer.encode(["good", "a good bad film", "the " * 20]) == [
        Encoded([2, 4, 3], truncated=False),
        Encoded([2, 8, 4, 5, 6, 3], truncated=False),
        Encoded([2, 7, 7, 7, 7, 7, 7, 3], truncated=True),
    ]


def test_a_text_of_exactly_the_longest_length_is_whole(pristine):
    tokenizer = BundleTokenizer(pristine / "tokenizer.json", 8)
    whole, cut = tokenizer.encode(["the " * 6, "the " * 7])
    assert not whole.truncated
    assert cut.truncated


def test_of_a_text_without_an_end_only_the_beginning_is_read(pristine):
    tokenizer = BundleTokenizer(pristine / "tokenizer.json", 8)
    readable = 8 * CHARACTERS_PER_TOKEN
    within, behind = (" " * (readable - 4 + i) + "good" for i in range(2))
    assert tokenizer.encode([within, behind]) == [
        Encoded([2, 4, 3], truncated=False),
        # "goo"
        Encoded([2, 1, 3], truncated=True),
    ]


def test_no_room_for_a_token_is_refused(pristine):
    with pytest.raises(BundleError, match="2 special tokens"):
        BundleTokenizer(pristine / "tokenizer.json", 2)


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json"):
        BundleTokenizer(tmp_path / "tokenizer.json", 8)


@pytest.mark.parametrize(
    ("side", "ids", "mask", "types"),
    [
        ("right", [[5, 6, 7], [8, 9, 9]], [[1, 1, 1], [1, 0, 0]], [[0, 0, 0], [0, 3, 3]]),
        ("left", [[5, 6, 7], [9, 9, 8]], [[1, 1, 1], [0, 0, 1]], [[0, 0, 0], [3, 3, 0]]),
    ],
)
def test_rows_are_padded_on_the_side_of_the_manifest(side, ids, mask, types):
    arrays = pad_batch([[5, 6, 7], [8]], Padding(side, token_id=9, type_id=3), INPUTS)
    assert list(arrays) == list(INPUTS)
    for array, expected in zip(arrays.values(), (ids, mask, types), strict=True):
        assert array.dtype == np.int64
        assert array.tolist() == expected


def test_only_the_wanted_inputs_are_made():
    arrays = pad_batch([[5]], Padding("right", 0, 0), ("attention_mask", "input_ids"))
    assert list(arrays) == ["attention_mask", "input_ids"]


def test_a_text_that_the_tokenizer_fails_on_is_our_error(bundle_path):
    path = bundle_path / "tokenizer.json"
    data = json.loads(path.read_text())
    # An unknown token that is not in the vocabulary: found out by the first unknown word alone.
    data["model"] |= {"unk_token": "[NONE]"}
    path.write_text(json.dumps(data))
    tokenizer = BundleTokenizer(path, 8)
    assert tokenizer.encode(["good film"])[0].ids
    with pytest.raises(BundleError, match=r"tokenizer\.json.*a failure on one of 2 texts"):
        tokenizer.encode(["good film", "unheard words"])


def test_a_panic_is_our_error_and_an_interrupt_stays_one(bundle_path):
    class Panic(BaseException):
        """As PyO3 raises it: no Exception."""

    tokenizer = BundleTokenizer(bundle_path / "tokenizer.json", 8)

    def fails(kind):
        def encode_batch(texts, add_special_tokens):
            raise kind

        tokenizer._tokenizer = SimpleNamespace(encode_batch=encode_batch)
        return pytest.raises(BundleError if kind is Panic else kind)

    for kind in (Panic, KeyboardInterrupt):
        with fails(kind):
            tokenizer.encode(["good"])


@pytest.mark.parametrize(
    "single",
    [
        [{"Sequence": {"id": "A", "type_id": 0}}] * 2,
        [{"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
    ],
)
def test_a_template_that_repeats_the_text_or_leaves_it_out_is_refused(pristine, single):
    """Of a long text the package would combine every piece with every other one."""
    description = json.loads((pristine / "tokenizer.json").read_text())
    description["post_processor"]["single"] = single
    with pytest.raises(BundleError, match="a text stands several times, or not once"):
        BundleTokenizer(json.dumps(description).encode(), 8)


def test_the_beginning_is_cut_off_where_the_manifest_says_so(bundle_path, seal, pristine):
    readable = 8 * CHARACTERS_PER_TOKEN
    tokenizer = BundleTokenizer(pristine / "tokenizer.json", 8, truncation_side="left")
    texts = ["bad " * 6 + "good film", "good", "good" + " " * (readable - 3)]
    assert tokenizer.encode(texts) == [
        Encoded([2, 5, 5, 5, 5, 4, 6, 3], truncated=True),
        Encoded([2, 4, 3], truncated=False),
        # "ood"
        Encoded([2, 1, 3], truncated=True),
    ]
    seal(bundle_path, truncation_side="left")
    loaded = DefendedClassifier.load(bundle_path)
    assert loaded.tokenizer.encode(texts[:1])[0].ids == [2, 5, 5, 5, 5, 4, 6, 3]
