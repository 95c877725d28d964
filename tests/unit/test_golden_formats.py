"""The stored formats: files of the current versions are read, and written again byte for byte.

A failure here means that bundles and calibrations that users hold change their meaning. Raise the
format's version instead of the golden file.
"""

import json
from importlib.metadata import version as release
from pathlib import Path

import numpy as np
import pytest

from clampdown_calib.artefact import load_calibration, save_calibration
from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.detectors import ExcessDetector
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_runtime.bundle.golden import Golden
from clampdown_runtime.bundle.manifest import Manifest

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize(("name", "version"), [("clampdown", 1), ("clampdown_2", 2)])
def test_manifest(name: str, version: int) -> None:
    text = (GOLDEN / f"{name}.json").read_text("utf-8")
    manifest = Manifest.from_json(text, "golden")
    assert manifest.format_version == version
    assert (manifest.mode, manifest.detector) == ("detect-then-purify", "fusion")
    assert manifest.to_json() == text


def test_golden_rows() -> None:
    text = (GOLDEN / "golden.json").read_text("utf-8")
    golden = Golden.from_json(text, "golden")
    assert {row.flagged for row in golden.rows} == {True, False}
    assert golden.to_json() == text


@pytest.mark.parametrize("method", ["probe", "badacts"])
def test_calibration_is_written_again_as_it_was(tmp_path: Path, method: str) -> None:
    stored = GOLDEN / "calibration" / method
    calibration = load_calibration(stored)
    assert calibration.facts.method == method
    save_calibration(calibration, tmp_path / "again")
    for name in ("calibration.safetensors", "rows.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (stored / name).read_bytes()
    facts = json.loads((tmp_path / "again" / "calibration.json").read_text("utf-8"))
    assert facts.pop("clampdown_version") == release("clampdown")
    expected = json.loads((stored / "calibration.json").read_text("utf-8"))
    assert expected["format_version"] == 3
    del expected["clampdown_version"]
    assert facts == expected


def test_probes() -> None:
    calibration = load_calibration(GOLDEN / "calibration" / "probe")
    assert calibration.intervals is None
    detector = calibration.plain.detector
    assert isinstance(detector, ExcessDetector)
    np.testing.assert_array_equal(detector.probes.weights, [[[-1, 1], [0.5, -0.5]]])
    np.testing.assert_array_equal(detector.probes.bias, [[0.25, -0.25]])
    assert (detector.slope, detector.centre, detector.spread) == (1.5, -0.25, 2)
    assert [row.part for row in calibration.rows] == ["both", "both"]
    assert calibration.answer is not None
    assert (calibration.answer.log_odds, calibration.answer.sharpness) == (-3, 0.5)
    assert calibration.facts.precision == "fp16"
    assert calibration.reading("purify") is calibration.plain
    np.testing.assert_array_equal(calibration.plain.held_out_scores, [0.25, 2])
    np.testing.assert_array_equal(calibration.purified_logits, [[0, -1], [-2, -3]])
    # What they say of a row: a margin of 1.5 is held against 1.5 times one of -2.5.
    logits, pooled = np.float32([[0, 1.5]]), np.float32([[[1, 2], [9, 9]]])
    run = CleanRun(pooled, np.float32([[[-0.5, 1], [9, 9]]]), logits, None)
    np.testing.assert_array_equal(detector.probes.logits(run.pooled), [[[1.25, -1.25]]])
    np.testing.assert_array_equal(detector.score(run), [(1.5 + 1.5 * 2.5 + 0.25) / 2])


def test_neuron_states_and_intervals() -> None:
    calibration = load_calibration(GOLDEN / "calibration" / "badacts")
    detector, intervals = calibration.plain.detector, calibration.intervals
    assert isinstance(detector, NasDetector)
    assert intervals is not None
    np.testing.assert_array_equal(detector.mean, [[0, 0.25]])
    np.testing.assert_array_equal(detector.reach, [[3, 1.5]])
    np.testing.assert_array_equal(intervals.lower, [[-1, -0.5]])
    np.testing.assert_array_equal(intervals.upper, [[1, 2]])
    assert [row.part for row in calibration.rows] == ["fit", "held-out"]
    # Scores of `purify` mode are taken from the clipped run.
    clipped = calibration.reading("purify")
    assert isinstance(clipped.detector, NasDetector)
    np.testing.assert_array_equal(clipped.detector.mean, [[1, 1.25]])
    np.testing.assert_array_equal(clipped.held_out_scores, [0.125])
    np.testing.assert_array_equal(calibration.plain.held_out_scores, [0.25])
