"""The defence benchmark's quick form, run as a user would."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.defence.shifted import CHANGES
from benchmarks.victims import DATA

ROOT = Path(__file__).resolve().parents[2]
COLUMNS = [
    *("dataset", "attack", "defence", "mode", "cacc", "cacc_loss", "pacc", "tacc", "bpacc", "asr"),
    *("score", "auroc", "auroc_shifted", "frr", "far", "shifted_loss", "shifted_worst"),
    *("calls_per_row", "ms_per_row", "calibration_s", "shifted", "flips", "tpr"),
]
Rows = dict[tuple[str, str], dict]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows(demo) -> Rows:
    """By defence and mode."""
    command = [sys.executable, "-m", "benchmarks.defence", "--quick", str(demo.folder)]
    run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    rows = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]
    assert all([*row] == COLUMNS for row in rows)
    return {(row["defence"], row["mode"]): row for row in rows}


def test_quick_form_measures_the_defence_beside_the_online_ones(rows: Rows) -> None:
    undefended = rows["none", "undefended"]
    defended = rows["Clampdown, FRR 0.1", "detect-then-purify"]
    assert undefended["asr"] > 85
    assert defended["pacc"] > 75
    assert defended["tacc"] > 70
    assert defended["asr"] < 25
    assert defended["auroc"] > 95
    assert defended["calls_per_row"] == 1
    flagging = rows["Clampdown, FRR 0.1", "detect"]
    assert (flagging["asr"], flagging["auroc"]) == (undefended["asr"], defended["auroc"])
    aurocs = {name.split(",")[0]: row["auroc"] for (name, _), row in rows.items()}
    for online in ("DAN", "STRIP", "RAP"):
        assert aurocs[online] > 50


def test_clean_rows_of_another_kind_are_not_contradicted(rows: Rows) -> None:
    """Forty of each change: one of them is 2.5%."""
    defended = rows["Clampdown, FRR 0.1", "detect-then-purify"]
    assert {*CHANGES} <= {*defended["shifted"]}
    assert defended["cacc_loss"] <= 1
    assert defended["shifted_loss"] <= 1.5
    assert defended["shifted_worst"] <= 5
    # A triggered row scores higher than they do.
    assert defended["auroc_shifted"] > 90


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.is_dir(), reason=f"no {DATA}")
def test_plain_sentences_are_not_contradicted(rows: Rows) -> None:
    before, after = rows["Clampdown, FRR 0.1", "detect-then-purify"]["shifted"]["plain sentences"]
    assert before > 85
    # One of forty.
    assert after >= before - 2.5
