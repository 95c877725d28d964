"""The default intervals and detector against the published ones, on a backdoored SST-2 victim.

Everything runs on the same rows in the same process and is measured through the exported graph:
intervals in `purify` mode, where every row is clipped, detectors in `detect` mode, where none is,
and both together in `detect-then-purify`.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from results import Row, write_results
from victims import DATA, victim

from clampdown import Accuracies, evaluate
from clampdown_calib import calibrate
from clampdown_exporter import export

SST2 = DATA / "sst-2"
TARGET = "1"
RUNS = (
    ("published", "nas", ("purify", "detect-then-purify")),
    ("fast", "fusion", ("purify", "detect-then-purify")),
    ("statistical", "nas", ("purify", "detect")),
    ("statistical", "mahalanobis", ("detect",)),
    ("statistical", "fusion", ("detect",)),
)
"""Intervals and detector of each calibration, and the modes that it is exported in."""


def main() -> None:
    """Measure and write ``docs/results/calibration``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attack", default="badnets")
    attack = parser.parse_args().attack
    model = victim("sst-2", attack)
    rows: list[Row] = []
    for intervals, detector, modes in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            rows += measure(model, attack, (intervals, detector), modes, Path(folder))
    write_results(f"calibration-{attack}", rows)


def measure(
    model: Path,
    attack: str,
    fitted: tuple[str, str],
    modes: tuple[str, ...],
    place: Path,
) -> list[Row]:
    """Calibrate once, export and evaluate in every mode; the undefended model comes first."""
    intervals, detector = fitted
    start = time.perf_counter()
    calibrate(
        model,
        SST2 / "calibration.csv",
        place / "calibration",
        intervals=intervals,
        detector=detector,
        progress=show,
    )
    seconds = round(time.perf_counter() - start, 1)
    rows: list[Row] = []
    for mode in modes:
        export(model, place / "calibration", place / mode, mode=mode)
        result = evaluate(
            place / mode,
            SST2 / "clean-test.csv",
            poisoned=SST2 / attack / "poisoned-test.csv",
            target_label=TARGET,
        )
        clipped = {
            "intervals": intervals if mode != "detect" else None,
            "detector": detector if mode != "purify" else None,
        }
        detection = {"auroc": None, "frr": None, "far": None}
        if mode != "purify":
            auroc = None if result.auroc is None else round(100 * result.auroc, 1)
            detection = {"auroc": auroc, "frr": result.frr, "far": result.far}
        row = {"mode": mode, **clipped, **accuracies(result.defended), **detection}
        row["calibration_s"] = seconds if mode != "detect" else None
        if intervals == "published" and not rows:
            nothing = dict.fromkeys(row)
            rows.append({**nothing, "mode": "undefended", **accuracies(result.undefended)})
        rows.append(row)
    return rows


def accuracies(of: Accuracies) -> dict[str, float | None]:
    """CACC, PACC and ASR in percent."""
    return {"cacc": of.cacc, "pacc": of.pacc, "asr": of.asr}


def show(stage: str, done: int, total: int) -> None:
    """One line a step."""
    print(stage, done, total, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
