"""The stored formats: files of format version 1 are read, and written again byte for byte.

A failure here means that bundles and calibrations that users hold change their meaning. Raise the
format's version instead of the golden file.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

from clampdown_calib.artefact import load_calibration, save_calibration
from clampdown_runtime.golden import Golden
from clampdown_runtime.manifest import Manifest

GOLDEN = Path(__file__).parents[1] / "golden"


def test_manifest() -> None:
    text = (GOLDEN / "clampdown.json").read_text("utf-8")
    manifest = Manifest.from_json(text, "golden")
    assert manifest.format_version == 1
    assert (manifest.mode, manifest.detector) == ("detect-then-purify", "fusion")
    assert manifest.to_json() == text


def test_golden_rows() -> None:
    text = (GOLDEN / "golden.json").read_text("utf-8")
    golden = Golden.from_json(text, "golden")
    assert {row.flagged for row in golden.rows} == {True, False}
    assert golden.to_json() == text


def test_calibration(tmp_path: Path) -> None:
    stored = GOLDEN / "calibration"
    calibration = load_calibration(stored)
    assert calibration.facts.purification == "clip"
    np.testing.assert_array_equal(calibration.intervals.upper, [[1, 2]])
    np.testing.assert_array_equal(calibration.readout.weights, [[[-1, 1], [0.5, -0.5]]])
    assert [row.part for row in calibration.rows] == ["fit", "held-out"]
    save_calibration(calibration, tmp_path / "again")
    for name in ("calibration.safetensors", "rows.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (stored / name).read_bytes()
    facts = json.loads((tmp_path / "again" / "calibration.json").read_text("utf-8"))
    assert facts.pop("clampdown_version") == version("clampdown")
    expected = json.loads((stored / "calibration.json").read_text("utf-8"))
    del expected["clampdown_version"]
    assert facts == expected
