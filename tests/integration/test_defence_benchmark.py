"""The defence benchmark's quick form, run as a user would."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = [
    *("dataset", "attack", "defence", "mode", "cacc", "pacc", "asr", "auroc", "frr", "far"),
    *("calls_per_row", "ms_per_row", "calibration_s"),
]


def test_quick_form_measures_the_defence_beside_the_online_ones(demo):
    command = [sys.executable, "-m", "benchmarks.defence", "--quick", str(demo.folder)]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert all([*row] == COLUMNS for row in rows)
    by_name = {(row["defence"], row["mode"]): row for row in rows}
    undefended = by_name["none", "undefended"]
    defended = by_name["Clampdown, FRR 0.1", "detect-then-purify"]
    assert undefended["asr"] > 85
    assert defended["pacc"] > 70
    assert defended["asr"] < 20
    assert defended["auroc"] > 95
    assert defended["calls_per_row"] == 1
    flagging = by_name["Clampdown, FRR 0.1", "detect"]
    assert (flagging["asr"], flagging["auroc"]) == (undefended["asr"], defended["auroc"])
    aurocs = {name.split(",")[0]: row["auroc"] for (name, _), row in by_name.items()}
    for online in ("DAN", "STRIP", "RAP"):
        assert aurocs[online] > 50
