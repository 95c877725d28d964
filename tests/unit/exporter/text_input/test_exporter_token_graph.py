"""The tokenizer in a graph reads texts as the one of Hugging Face does."""

import random
import unicodedata
from types import SimpleNamespace

import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest
from onnxruntime_extensions import get_library_path
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from clampdown.demo.encoder import minilm
from clampdown_exporter.bundle.golden_texts import GOLDEN_TEXTS, HARD_TEXTS
from clampdown_exporter.text_input.token_graph import token_graph
from clampdown_runtime import ExportError, Padding
from clampdown_runtime.tokenizer import BundleTokenizer, pad_batch

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@pytest.fixture(scope="module")
def real():
    """The tokenizer of the demo's encoder."""
    return Tokenizer.from_file(str(minilm() / "tokenizer.json"))


def manifest(**changes):
    plain = {"inputs": INPUTS, "max_length": 64, "padding": Padding("right", 0, 0)}
    return SimpleNamespace(**{**plain, **changes})


class Both:
    """The tokenizer, and the same as a graph."""

    def __init__(self, tokenizer, folder, **changes):
        self.manifest = manifest(**changes)
        text = tokenizer.to_str()
        path = folder / "tokenizer.json"
        path.write_text(text)
        self.tokenizer = BundleTokenizer(path, self.manifest.max_length)
        options = onnxruntime.SessionOptions()
        options.register_custom_ops_library(get_library_path())
        graph = ir.to_proto(token_graph(text, self.manifest))
        self.session = onnxruntime.InferenceSession(graph.SerializeToString(), options)

    def differing(self, texts, batch=64):
        """The texts of the batches of which any array differs."""
        found = []
        for start in range(0, len(texts), batch):
            part = texts[start : start + batch]
            ids = [one.ids for one in self.tokenizer.encode(part)]
            expected = pad_batch(ids, self.manifest.padding, self.manifest.inputs)
            arrays = self.session.run(list(expected), {"text": np.array(part, object)})
            pairs = zip(arrays, expected.values(), strict=True)
            same = [np.array_equal(one, other) for one, other in pairs]
            found += [] if all(same) else part
        return found


@pytest.fixture(scope="module")
def both(real, tmp_path_factory):
    return Both(real, tmp_path_factory.mktemp("both"))


def test_golden_and_hard_texts(both):
    assert both.differing([*GOLDEN_TEXTS, *HARD_TEXTS], batch=1) == []
    assert both.differing([*GOLDEN_TEXTS, *HARD_TEXTS]) == []


def test_every_character(both):
    points = [
        point
        # The C interface of ONNX Runtime ends a string at U+0000.
        for point in range(1, 0x110000)
        if unicodedata.category(chr(point)) != "Cs"
        # Of the large ranges, which are treated alike, every hundredth.
        and (unicodedata.category(chr(point)) not in ("Co", "Cn", "Lo") or point % 100 == 0)
    ]
    assert len(points) > 20_000
    assert both.differing([f"a{chr(point)}b {chr(point)}" for point in points]) == []


def test_characters_in_any_order(both):
    draw = random.Random(0)  # noqa: S311 - no secret
    pool = [chr(p) for p in range(1, 0x3000)] + ["[SEP]", "[MASK]", " ", "."] * 500
    texts = ["".join(draw.choices(pool, k=draw.randint(1, 60))) for _ in range(3000)]
    assert both.differing(texts) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"max_length": 3},
        {"max_length": 7, "padding": Padding("left", 5, 1)},
        {"inputs": ("input_ids", "attention_mask"), "padding": Padding("right", 9, 1)},
    ],
)
def test_truncation_and_padding(real, tmp_path, changes):
    texts = ["", "one", "one two three", "one two three four five six seven eight nine"]
    assert Both(real, tmp_path, **changes).differing(texts) == []


def test_cased_tokenizer_with_other_tokens(tmp_path):
    pieces = ["<pad>", "<unk>", "<s>", "<s>>", "Good", "good", "é", "++s", "G"]
    ids = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(
        models.WordPiece(ids, unk_token="<unk>", continuing_subword_prefix="++")  # noqa: S106
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["<s>", "<s>>", "<pad>"])
    texts = ["Good good goods GOOD", "é e\u0301", "<s> <s>> <s>>>good<pad>", "++s Gs <unk>"]
    assert Both(tokenizer, tmp_path).differing(texts, batch=1) == []


def refusal(tokenizer):
    with pytest.raises(ExportError, match="without --with-tokenizer") as caught:
        token_graph(tokenizer.to_str(), manifest())
    return caught.value


def test_other_tokenizers_are_refused(real):
    assert refusal(Tokenizer(models.BPE())).found == "one of the type BPE"
    other = Tokenizer.from_str(real.to_str())
    other.add_tokens([AddedToken("whole", single_word=True)])
    assert refusal(other).found == "added tokens whole"
    other = Tokenizer.from_str(real.to_str())
    other.normalizer = normalizers.Lowercase()
    assert "0 characters that can stand for them" in refusal(other).found
