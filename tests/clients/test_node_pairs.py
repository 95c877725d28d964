"""The Node client reads pairs of texts as the Python runtime does."""

from pathlib import Path

import pytest
from test_node_client import TEXTS, _numbers

from clampdown_runtime import DefendedClassifier

pytestmark = pytest.mark.node

PAIRS = [*zip(TEXTS, [*TEXTS[1:], TEXTS[0]], strict=True), (TEXTS[-2], TEXTS[-3]), ("a", "b")]

CLASSIFY = """
import { DefendedClassifier } from "clampdown";
import { replayGolden } from "./test/golden.js";
const classifier = await DefendedClassifier.load(input.bundle, { threads: 1 });
await replayGolden(classifier);
output(await classifier.classify(input.texts, { batchSize: 4 }));
"""

REFUSED = """
import { DefendedClassifier } from "clampdown";
const found = [];
for (const [bundle, text] of input) {
  const classifier = await DefendedClassifier.load(bundle, { threads: 1 });
  await classifier.classify([text]).catch((error) => found.push(`${error.name} ${error.message}`));
}
output(found);
"""

TOKENIZE = """
import { BundleTokenizer } from "./dist/tokenizer.js";
const bytes = readFileSync(input.path);
const tokenizer = new BundleTokenizer(bytes, input.path, input.max_length, input.side, true);
output(input.texts.map((text) => tokenizer.encode(text)));
"""


def _named(pairs):
    return [{"text": one, "text_pair": other} for one, other in pairs]


@pytest.fixture
def in_place_of_their_bundle(monkeypatch, pairs_bundle: Path) -> None:
    """The golden rows that are replayed."""
    monkeypatch.setenv("CLAMPDOWN_BUNDLE", str(pairs_bundle))


@pytest.mark.usefixtures("in_place_of_their_bundle")
@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_predictions_of_pairs_are_pythons(run_module, pairs_bundle: Path, tolerance: float) -> None:
    expected = DefendedClassifier.load(pairs_bundle, threads=1)(PAIRS, batch_size=4)
    found = run_module(CLASSIFY, {"bundle": str(pairs_bundle), "texts": _named(PAIRS)})
    for pair, ours, theirs in zip(PAIRS, found, expected, strict=True):
        assert (ours["label"], ours["flagged"]) == (theirs.label, theirs.flagged), pair
        for field in ("anomaly_score", "logits"):
            assert _numbers(ours[field]) == pytest.approx(
                _numbers(getattr(theirs, field)), abs=tolerance, nan_ok=True
            ), pair


@pytest.mark.parametrize("side", ["right", "left"])
def test_tokens_and_types_of_pairs_are_pythons(run_module, pairs_bundle: Path, side: str) -> None:
    from clampdown_runtime.tokenizer import BundleTokenizer

    lengths = range(1, 12)
    pairs = [*PAIRS, *(("good " * one, "day " * other) for one in lengths for other in lengths)]
    path = pairs_bundle / "tokenizer.json"
    for max_length in (8, 11, 64):
        source = {"path": str(path), "max_length": max_length, "side": side}
        found = run_module(TOKENIZE, {**source, "texts": _named(pairs)})
        tokenizer = BundleTokenizer(path, max_length, truncation_side=side, text_pair=True)
        assert found == [
            {"ids": item.ids, "truncated": item.truncated, "types": item.type_ids}
            for item in tokenizer.encode(pairs)
        ]


def test_either_kind_of_bundle_refuses_the_other_kind_of_text(
    run_module, pairs_bundle: Path, real_bundle: Path
) -> None:
    pair = {"text": "good", "text_pair": "bad"}
    given = [
        [pairs_bundle, "good"],
        [pairs_bundle, {**pair, "text_pair": " "}],
        [real_bundle, pair],
    ]
    found = run_module(REFUSED, [[str(bundle), text] for bundle, text in given])
    assert [error.split(";")[0] for error in found] == [
        "RowsError text 0: found a single text",
        "RowsError text 0, the second of its pair: found a text of white space",
        "RowsError text 0: found a pair of texts",
    ]
