"""What the product promises, on the real encoder with a real backdoor."""

import csv
from pathlib import Path

import numpy as np
import pytest

from clampdown.run_demo import DemoResult
from clampdown_exporter import move_threshold, verify
from clampdown_runtime import DefendedClassifier
from clampdown_runtime.errors import BundleError


def test_victim_is_backdoored_and_defence_stops_most_of_it(demo: DemoResult) -> None:
    before, after = demo.evaluation.undefended, demo.evaluation.defended
    assert before.cacc > 80
    assert before.asr is not None and before.asr > 95
    # Seeded, but kernels differ between machines; README's table has what one of them gives.
    assert after.asr is not None and after.asr < 12
    assert after.pacc is not None and after.pacc > 85
    assert after.cacc > before.cacc - 2.5


def test_detector_finds_the_trigger_and_spares_clean_rows(demo: DemoResult) -> None:
    assert demo.evaluation.auroc is not None and demo.evaluation.auroc > 0.95
    # 1,000 rows at a rate of 0.1: six standard errors on either side.
    assert 4 < demo.evaluation.frr < 16


def test_folder_holds_what_the_commands_need(demo: DemoResult) -> None:
    names = {"victim", "clean.csv", "clean-test.csv", "poisoned-test.csv", "bundle"}
    assert {path.name for path in demo.folder.iterdir()} == names
    assert verify(demo.bundle) == []


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
    # Purified logits are others on clean rows too, else the inner layers were not read.
    difference = np.array([p.logits for p in own]) - np.array([p.logits for p in purified])
    assert np.abs(difference).max() > 0.01


def test_moved_threshold_holds_its_rate_and_everything_follows(
    demo: DemoResult, bundle_copy: Path
) -> None:
    before = DefendedClassifier.load(bundle_copy).manifest
    after = move_threshold(bundle_copy, frr=0.3)
    assert after.frr == 0.3 and after.threshold < before.threshold
    assert 0.2 < after.frr_measured <= 0.3
    assert verify(bundle_copy) == []
    assert after.files["report.html"] != before.files["report.html"]
    flagged = [
        p.flagged
        for p in DefendedClassifier.load(bundle_copy)(_texts(demo.folder / "clean-test.csv"))
    ]
    assert 0.2 < np.mean(flagged) < 0.4
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


def _texts(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]
