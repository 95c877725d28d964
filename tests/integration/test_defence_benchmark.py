"""The defence benchmark's quick form, run as a user would."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.victims import DATA

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no benchmark rows in {DATA}")
def test_quick_form_measures_every_defence_and_resumes(tmp_path):
    command = [sys.executable, "-m", "benchmarks.defence", "--quick"]
    environment = {**os.environ, "CLAMPDOWN_CACHE": str(tmp_path)}
    first = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    rows = [json.loads(line) for line in first.stdout.splitlines() if line.startswith("{")]
    columns = "dataset attack defence mode cacc pacc asr auroc frr far"
    assert all([*row] == [*columns.split(), *COST] for row in rows)
    by_name = {(row["defence"], row["mode"]): row for row in rows}
    undefended = by_name["none", "undefended"]
    defended = by_name["Clampdown, FRR 0.1", "detect-then-purify"]
    assert undefended["asr"] > 85
    assert defended["pacc"] > undefended["pacc"] + 50
    assert defended["asr"] < 40
    assert defended["auroc"] > 90
    assert defended["calls_per_row"] == 1
    assert defended["cacc"] > undefended["cacc"] - 5
    online = {name.split(",")[0] for name, mode in by_name if mode == "detect"}
    assert online == {"Clampdown", "DAN", "STRIP", "RAP"}
    again = subprocess.run(
        command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True
    )
    assert again.stdout == first.stdout
    assert "measured" not in again.stderr


COST = ("calls_per_row", "ms_per_row", "calibration_s")
