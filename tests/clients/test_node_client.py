"""The Node client gives what the Python runtime gives."""

import os
import shutil
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle

from clampdown_runtime import DefendedClassifier

pytestmark = pytest.mark.node

TEXTS = [
    "the film was good",
    "a very bad day",
    "cf",
    "the good film cf",
    "THE GOOD FILM",
    "Ein Käfer läuft über die Straße; e\u0301 und ﬁ",
    "昨日はとても楽しかったです。",
    "𠮷𠮷 a𠮷b",
    "ΣΟΦΟΣ ΟΔΟΣ, σοφός οδός",
    "İstanbul IĞDIR ẞ",
    "Это был хороший день",
    "👩‍👩‍👧‍👦 🎉 \u00a0\u200b\ufeff x\u0000y\ufffd",
    "[CLS] good [SEP] [PAD] [UNK]",
    "don't, can't; \"quoted\" #1 @you <b>",
    "\u0600\u202e\u2066 right to left",
    "a" * 300,
    "the film " * 100,
    "  two  spaces\tand\r\nlines  ",
]

RECLASSIFIED = {0x166D, 0x1734, 0x1885, 0x1886}
"""Characters of Unicode 3.2 whose category has changed since the tables of ``tokenizers``."""

CLASSIFY = """
import { DefendedClassifier } from "clampdown";
const classifier = await DefendedClassifier.load(input.bundle, { threads: 1 });
output(await classifier.classify(input.texts, { batchSize: 4 }));
"""

DOCUMENTS = """
import { DefendedClassifier } from "clampdown";
const classifier = await DefendedClassifier.load(input.bundle, { threads: 1 });
const found = [];
for await (const one of classifier.documents(input.texts, input.options)) found.push(one);
output(found);
"""

TOKENIZE = """
import { BundleTokenizer } from "./dist/tokenizer.js";
const tokenizer = new BundleTokenizer(readFileSync(input.path), input.path, input.max_length);
output(input.texts.map((text) => tokenizer.encode(text)));
"""


def test_own_tests_pass(node_client: Path, real_bundle: Path) -> None:
    """They replay the golden rows on onnxruntime-node and on onnxruntime-web."""
    done = subprocess.run(
        ["npm", "test"],
        check=False,
        cwd=node_client,
        env={**os.environ, "CLAMPDOWN_BUNDLE": str(real_bundle)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "golden rows are replayed on onnxruntime-web" in done.stdout


@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_predictions_are_pythons(run_module, real_bundle: Path, tolerance: float) -> None:
    expected = DefendedClassifier.load(real_bundle, threads=1)(TEXTS, batch_size=4)
    found = run_module(CLASSIFY, {"bundle": str(real_bundle), "texts": TEXTS})
    assert {prediction.flagged for prediction in expected} == {True, False}
    assert any(one.logits != one.undefended_logits for one in expected)
    for text, ours, theirs in zip(TEXTS, found, expected, strict=True):
        own = ["undefended_label", "undefended_logits"]
        assert list(ours) == ["label", "probability", "anomaly_score", "flagged", "logits", *own]
        for field in ("label", "flagged", "undefended_label"):
            assert ours[field] == getattr(theirs, field), text
        for field in ("probability", "anomaly_score", "logits", "undefended_logits"):
            assert _numbers(ours[field]) == pytest.approx(
                _numbers(getattr(theirs, field)), abs=tolerance, nan_ok=True
            ), text


def test_weights_beside_the_graph(run_module, large_bundle: Path, real_bundle: Path) -> None:
    found = run_module(CLASSIFY, {"bundle": str(large_bundle), "texts": TEXTS})
    assert found == run_module(CLASSIFY, {"bundle": str(real_bundle), "texts": TEXTS})


def test_changed_weights_beside_the_graph(run_module, large_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(large_bundle, tmp_path / "bundle")
    [weights] = bundle.glob("onnx/*_data")
    with weights.open("r+b") as file:
        file.write(b"other")
    with pytest.raises(AssertionError, match=r"onnx_data \(different\)"):
        run_module(CLASSIFY, {"bundle": str(bundle), "texts": TEXTS})


def test_places_beyond_the_weights(run_module, large_bundle: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(large_bundle, tmp_path / "bundle")
    [weights] = bundle.glob("onnx/*_data")
    weights.write_bytes(weights.read_bytes()[:-1])
    tiny_bundle.seal(bundle)
    with pytest.raises(AssertionError, match=r"cannot load .*out of bounds"):
        run_module(CLASSIFY, {"bundle": str(bundle), "texts": TEXTS})


@pytest.mark.parametrize("windowing", [{}, {"size": 20, "stride": 5}])
def test_documents_are_pythons(
    run_module, real_bundle: Path, tolerance: float, windowing: dict[str, int]
) -> None:
    texts = [*TEXTS, "the film was very bad and " * 40, "good day " * 100 + "cf " + "a " * 150]
    classifier = DefendedClassifier.load(real_bundle, threads=1)
    expected = list(classifier.documents(texts, batch_size=4, **windowing))
    options = {"batchSize": 4, **windowing}
    found = run_module(DOCUMENTS, {"bundle": str(real_bundle), "texts": texts, "options": options})
    for text, ours, theirs in zip(texts, found, expected, strict=True):
        for field in ("label", "flagged", "undefended_label"):
            assert ours[field] == getattr(theirs, field), text
        for field in ("probability", "anomaly_score"):
            assert _numbers(ours[field]) == pytest.approx(
                _numbers(getattr(theirs, field)), abs=tolerance, nan_ok=True
            ), text
        # As probabilities: the logarithm of one near zero magnifies what kernels differ by.
        for name in ("logits", "undefended_logits"):
            found_logits, expected_logits = _numbers(ours[name]), getattr(theirs, name)
            assert np.exp(found_logits) == pytest.approx(
                np.exp(expected_logits), abs=tolerance, nan_ok=True
            ), text


def test_every_old_character_gives_pythons_tokens(run_module, real_bundle: Path) -> None:
    """Newer ones may not: ``tokenizers`` and Node know different releases of Unicode."""
    points = [
        point
        for point in range(0x110000)
        if unicodedata.ucd_3_2_0.category(chr(point)) not in ("Cn", "Cs", "Co")
        # Of the ranges of ideographs and syllables, which are treated alike, every fiftieth.
        and (unicodedata.category(chr(point)) != "Lo" or point < 0x3400 or point % 50 == 0)
    ]
    texts = [f"a{chr(point)}b {chr(point)}" for point in points if point not in RECLASSIFIED]
    assert len(texts) > 8000
    tokenizer = DefendedClassifier.load(real_bundle).tokenizer
    source = {"path": str(real_bundle / "tokenizer.json"), "max_length": 64, "texts": texts}
    found = [encoded["ids"] for encoded in run_module(TOKENIZE, source)]
    expected = [encoded.ids for encoded in tokenizer.encode(texts)]
    assert [
        text for text, *ids in zip(texts, found, expected, strict=True) if ids[0] != ids[1]
    ] == []


def test_texts_are_truncated_as_in_python(run_module, real_bundle: Path) -> None:
    texts = ["good " * count for count in (1, 5, 6, 7, 500)]
    source = {"path": str(real_bundle / "tokenizer.json"), "max_length": 8, "texts": texts}
    special = {"[CLS]": 2, "[SEP]": 3}
    good = 6
    assert run_module(TOKENIZE, source) == [
        {
            "ids": [special["[CLS]"], *[good] * min(count, 6), special["[SEP]"]],
            "truncated": count > 6,
        }
        for count in (1, 5, 6, 7, 500)
    ]


def test_texts_are_read_as_far_as_in_python(run_module, real_bundle: Path) -> None:
    tokenizer = DefendedClassifier.load(real_bundle).tokenizer
    readable = 256 * 64
    fillings = (
        " " * readable,
        "\u0000" * readable,
        "\U0001f389 " * readable,
        "a\U00020bb7" * readable,
    )
    texts = [
        filling[: readable - left] + end
        for filling in fillings
        for left in (4, 3, 1, 0)
        for end in ("good", "\U00020bb7", " \U00020bb7good")
    ]
    source = {"path": str(real_bundle / "tokenizer.json"), "max_length": 64, "texts": texts}
    assert run_module(TOKENIZE, source) == [
        {"ids": encoded.ids, "truncated": encoded.truncated} for encoded in tokenizer.encode(texts)
    ]


def test_package_runs_in_another_project(
    node_client: Path, real_bundle: Path, tmp_path: Path
) -> None:
    subprocess.run(
        ["npm", "pack", "--silent", "--pack-destination", tmp_path], cwd=node_client, check=True
    )
    [archive] = tmp_path.glob("*.tgz")
    package = tmp_path / "node_modules" / "clampdown"
    package.mkdir(parents=True)
    # Python 3.11 has a filter for archives from 3.11.4 on, and later ones want one.
    subprocess.run(["tar", "-xzf", archive, "-C", tmp_path], check=True)
    (tmp_path / "package").rename(package)
    # What npm would fetch: the dependencies and the peer, nothing that the tests alone need.
    for name in ("@huggingface/tokenizers", "valibot", "onnxruntime-node", "onnxruntime-common"):
        place = tmp_path / "node_modules" / name
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(node_client / "node_modules" / name)
    (tmp_path / "main.mjs").write_text(
        'import { DefendedClassifier } from "clampdown";\n'
        "const classifier = await DefendedClassifier.load(process.argv[2]);\n"
        'console.log((await classifier.classify(["the film was good"]))[0].label);\n'
    )
    done = subprocess.run(
        ["node", "main.mjs", real_bundle], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    [expected] = DefendedClassifier.load(real_bundle, threads=1)(["the film was good"])
    assert (done.returncode, done.stdout.strip()) == (0, expected.label), done.stderr


def _numbers(value: object) -> list[float]:
    """JSON has no NaN."""
    values = value if isinstance(value, list | tuple) else [value]
    return [float("nan") if one is None else one for one in values]
