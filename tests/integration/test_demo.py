"""What the product promises, on the real encoder with a real backdoor."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from clampdown.demo.run_demo import DemoResult
from clampdown_exporter import move_threshold, verify
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.errors import BundleError


def test_victim_is_backdoored_and_defence_stops_most_of_it(demo: DemoResult) -> None:
    before, after = demo.evaluation.undefended, demo.evaluation.defended
    assert before.cacc > 80
    assert before.asr is not None and before.asr > 95
    # Seeded, but kernels differ between machines; README's table has what one of them gives.
    assert after.asr is not None and after.asr < 18
    assert after.pacc is not None and after.pacc > 82
    # Of two classes, what is not the target is the true label.
    assert after.asr + after.pacc == pytest.approx(100)


def test_right_answers_stay_with_the_trigger_and_without_it(demo: DemoResult) -> None:
    """A defence that contradicts whatever it flags fails here."""
    before, after = demo.evaluation.undefended, demo.evaluation.defended
    assert after.cacc > before.cacc - 0.5
    lost = demo.evaluation.right_to_wrong - demo.evaluation.wrong_to_right
    assert lost == pytest.approx(10 * (before.cacc - after.cacc))
    assert before.tacc is not None and before.tacc > 95
    assert after.tacc is not None and after.tacc > 78
    assert demo.plain_undefended >= 36
    assert demo.plain_defended >= demo.plain_undefended - 1


def test_detector_finds_the_trigger_and_spares_clean_rows(demo: DemoResult) -> None:
    assert demo.evaluation.auroc is not None and demo.evaluation.auroc > 0.98
    # 1,000 rows at a rate of 0.1: six standard errors on either side.
    assert 4 < demo.evaluation.frr < 16


def test_folder_holds_what_the_commands_need(demo: DemoResult) -> None:
    files = {"clean.csv", "clean-test.csv", "poisoned-test.csv", "plain-sentences.csv"}
    assert {path.name for path in demo.folder.iterdir()} == {"victim", "bundle", *files}
    labels = Counter(row["label"] for row in _rows(demo.folder / "poisoned-test.csv"))
    assert labels == {"0": 400, "1": 400}
    assert verify(demo.bundle) == []


def test_plain_sentences_keep_their_answers(demo: DemoResult) -> None:
    """Row by row, as somebody would type them."""
    rows = _rows(demo.folder / "plain-sentences.csv")
    assert len(rows) == len({row["text"] for row in rows}) == 40
    bundle = DefendedClassifier.load(demo.bundle)
    names, texts = bundle.manifest.labels, [row["text"] for row in rows]
    own, defended = bundle(texts, threshold=float("inf")), bundle(texts)
    right, still = (
        {
            row["text"]
            for row, p in zip(rows, given, strict=True)
            if p.label == names[int(row["label"])]
        }
        for given in (own, defended)
    )
    assert (len(right), len(still)) == (demo.plain_undefended, demo.plain_defended)
    assert len(right - still) <= 1


def test_unflagged_rows_keep_the_models_own_logits(demo: DemoResult) -> None:
    defended = DefendedClassifier.load(demo.bundle)
    texts = _texts(demo.folder / "clean-test.csv")[:64]
    own = defended(texts, threshold=float("inf"))
    mixed = defended(texts)
    purified = defended(texts, threshold=float("-inf"))
    assert {p.flagged for p in own} == {False} and {p.flagged for p in purified} == {True}
    for i, prediction in enumerate(mixed):
        source = purified[i] if prediction.flagged else own[i]
        np.testing.assert_allclose(prediction.logits, source.logits, atol=1e-4)
        assert prediction.anomaly_score == pytest.approx(own[i].anomaly_score, abs=1e-3)
    # Purified logits are others on clean rows too, else the probes were not read.
    difference = np.array([p.logits for p in own]) - np.array([p.logits for p in purified])
    assert np.abs(difference).max() > 0.01


def test_moved_threshold_holds_its_rate_and_everything_follows(
    demo: DemoResult, bundle_copy: Path
) -> None:
    texts = _texts(demo.folder / "clean-test.csv")
    classifier = DefendedClassifier.load(bundle_copy)
    before, answers = classifier.manifest, classifier(texts[:32], threshold=float("-inf"))
    after = move_threshold(bundle_copy, frr=0.3)
    assert after.frr == 0.3 and after.threshold < before.threshold
    assert 0.2 < after.frr_measured <= 0.3
    assert verify(bundle_copy) == []
    assert after.files["report.html"] != before.files["report.html"]
    moved = DefendedClassifier.load(bundle_copy)
    assert 0.2 < np.mean([p.flagged for p in moved(texts)]) < 0.4
    # Which rows are answered by the mixture has moved, what they are answered has not.
    assert moved(texts[:32], threshold=float("-inf")) == answers
    move_threshold(bundle_copy, frr=before.frr)
    assert DefendedClassifier.load(bundle_copy).manifest.threshold == before.threshold


def test_changed_byte_is_named(bundle_copy: Path) -> None:
    model = bundle_copy / "onnx" / "model.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)
    assert verify(bundle_copy) == ["onnx/model.onnx: has other contents than the manifest says"]
    with pytest.raises(BundleError, match=r"onnx/model\.onnx"):
        DefendedClassifier.load(bundle_copy)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _texts(path: Path) -> list[str]:
    return [row["text"] for row in _rows(path)]
