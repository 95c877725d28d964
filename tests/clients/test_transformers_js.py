"""Transformers.js loads a bundle unchanged and answers with the defended logits."""

from pathlib import Path

import pytest

from clampdown_runtime import DefendedClassifier, open_bundle

pytestmark = pytest.mark.node

TEXTS = [
    "the film was good",
    "a very bad day",
    "THE GOOD FILM",
    "Ein Käfer läuft über die Straße; e\u0301 und ﬁ",
    "昨日はとても楽しかったです。",
    "Это был хороший день",
    "👩‍👩‍👧‍👦 🎉 \u00a0\u200b\ufeff x\u0000y\ufffd",
    "don't, can't; \"quoted\" #1 @you <b>",
    "the film " * 30,
]

ODD = {
    "a capital sigma at a word's end": "ΟΔΟΣ",
    "an ideograph beyond U+FFFF": "a𠮷b",
    "a text that is too long": "the film " * 100,
}
"""What Transformers.js reads otherwise than Python; the Node client does not."""

CLASSIFY = """
import { env, pipeline } from "@huggingface/transformers";
env.allowRemoteModels = false;
const options = { dtype: input.dtype, local_files_only: true };
const classify = await pipeline("text-classification", input.bundle, options);
const encoded = input.texts.map((text) => classify.tokenizer(text, { truncation: true }));
const answers = [];
for (const text of input.texts) answers.push(...(await classify(text)));
output({
  answers,
  ids: encoded.map(({ input_ids }) => Array.from(input_ids.data, Number)),
});
"""


DTYPES = {"fp32": "fp32", "int8": "q8"}
"""What Transformers.js calls a precision."""


def test_pipeline_gives_the_defended_prediction(
    run_module, real_bundle: Path, tolerance: float
) -> None:
    classifier = DefendedClassifier.load(real_bundle, threads=1)
    expected = classifier(TEXTS)
    found = run_module(CLASSIFY, _source(real_bundle, TEXTS))
    assert found["ids"] == [encoded.ids for encoded in classifier.tokenizer.encode(TEXTS)]
    assert [answer["label"] for answer in found["answers"]] == [p.label for p in expected]
    assert [answer["score"] for answer in found["answers"]] == pytest.approx(
        [p.probability for p in expected], abs=tolerance
    )
    # The texts tell the defended logits from the model's own.
    undefended = classifier(TEXTS, threshold=float("inf"))
    assert any(
        abs(one.logits[0] - other.logits[0]) > 10 * tolerance
        for one, other in zip(expected, undefended, strict=True)
    )


def test_weights_beside_the_graph_are_found(
    run_module, large_bundle: Path, real_bundle: Path
) -> None:
    found = run_module(CLASSIFY, _source(large_bundle, TEXTS))
    assert found == run_module(CLASSIFY, _source(real_bundle, TEXTS))


def test_odd_texts_are_read_otherwise(run_module, real_bundle: Path) -> None:
    """The client's README says so: this fails once it need not be said any more."""
    tokenizer = DefendedClassifier.load(real_bundle, threads=1).tokenizer
    texts = list(ODD.values())
    found = run_module(CLASSIFY, _source(real_bundle, texts))["ids"]
    expected = [encoded.ids for encoded in tokenizer.encode(texts)]
    same = [odd for odd, *ids in zip(ODD, found, expected, strict=True) if ids[0] == ids[1]]
    assert same == []
    # A text that is too long loses its closing token.
    assert found[-1][:-1] == expected[-1][:-1]
    assert expected[-1][-1] == 3


def _source(bundle: Path, texts: list[str]) -> dict[str, object]:
    precision = open_bundle(bundle).manifest.precision
    return {"bundle": str(bundle), "texts": texts, "dtype": DTYPES[precision]}
