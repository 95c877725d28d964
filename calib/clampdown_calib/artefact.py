"""The calibration on disk: specified in docs/calibration.md before this file was written."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from clampdown_runtime.digests import file_digest
from clampdown_runtime.errors import CalibrationError
from numpy.typing import NDArray
from safetensors.numpy import load_file, save

from clampdown_calib.architectures import Representation
from clampdown_calib.clean_rows import CleanRow, rows_from_jsonl, rows_to_jsonl
from clampdown_calib.detectors import DETECTORS, Detector
from clampdown_calib.intervals import Intervals
from clampdown_calib.staging import staged_folder

FORMAT_VERSION = 1
FACTS_FILE = "calibration.json"
TENSORS_FILE = "calibration.safetensors"
ROWS_FILE = "rows.jsonl"

IntervalMethod = Literal["fast", "published", "statistical"]


@dataclass(frozen=True, slots=True)
class CalibrationFacts:
    """What ``calibration.json`` says besides its version and digests.

    Attributes:
        model_digest: of the model folder that the calibration was fitted on.
        model_name: its name.
        model_type: its architecture.
        labels: the name of class 0, 1, …
        layers: names of the defended layers, in order.
        representation: the token that the detector reads.
        detector: the detector's name.
        intervals: how the intervals were fitted.
        epochs: passes of the optimisation, 0 for statistical intervals.
        frr: the false rejection rate asked for.
        seed: of the split and the optimisation.
        fit_rows: rows that intervals and detector were fitted on.
        held_out_rows: rows that set the threshold.
        kept: share of the fit rows' predictions that survive the clipping, 0 to 1.
    """

    model_digest: str
    model_name: str
    model_type: str
    labels: tuple[str, ...]
    layers: tuple[str, ...]
    representation: Representation
    detector: str
    intervals: IntervalMethod
    epochs: int
    frr: float
    seed: int
    fit_rows: int
    held_out_rows: int
    kept: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """Clean intervals and detector of one model, with the rows that they came from."""

    facts: CalibrationFacts
    intervals: Intervals
    detector: Detector
    rows: tuple[CleanRow, ...]

    def summary(self) -> dict[str, object]:
        """The facts, for a report."""
        widths = self.intervals.widths.mean(axis=1)
        return {
            **dataclasses.asdict(self.facts),
            "mean_widths": [round(float(width), 4) for width in widths],
        }

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Every fitted tensor by its name in the file."""
        fitted = {f"detector.{k}": v for k, v in self.detector.tensors().items()}
        return {"lower": self.intervals.lower, "upper": self.intervals.upper, **fitted}


def save_calibration(calibration: Calibration, destination: Path) -> None:
    """Write a calibration folder, whole or not at all.

    Raises:
        DestinationError: the folder exists and is not empty, or cannot be written.
    """
    with staged_folder(destination) as folder:
        write_tensors(folder / TENSORS_FILE, calibration.tensors())
        (folder / ROWS_FILE).write_text(rows_to_jsonl(calibration.rows), "utf-8")
        facts = {
            "format_version": FORMAT_VERSION,
            "clampdown_version": version("clampdown"),
            **dataclasses.asdict(calibration.facts),
            "files": {name: file_digest(folder / name) for name in (TENSORS_FILE, ROWS_FILE)},
        }
        (folder / FACTS_FILE).write_text(
            json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8"
        )


def write_tensors(
    path: Path, tensors: Mapping[str, NDArray[Any]], metadata: dict[str, str] | None = None
) -> None:
    """Write a safetensors file."""
    # safetensors writes an array's memory as it lies, whatever its strides say.
    rows_first = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    path.write_bytes(save(rows_first, metadata))


def load_calibration(folder: Path) -> Calibration:
    """Read a calibration folder and check its digests.

    Raises:
        CalibrationError: a file is missing, unreadable, changed or of a newer version.
    """
    path = folder / FACTS_FILE
    try:
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise _unusable(path, str(error), "the JSON that `clampdown calibrate` wrote") from error
    found = data.pop("format_version", None) if isinstance(data, dict) else None
    if found != FORMAT_VERSION:
        raise CalibrationError(
            str(path),
            found=f"format version {found}",
            expected=f"{FORMAT_VERSION}",
            do="Calibrate again with this release, or use the release that wrote it.",
        )
    for name, digest in _files(path, data).items():
        if not (folder / name).is_file():
            raise _unusable(folder / name, "no such file", "the calibration's file")
        if file_digest(folder / name) != digest:
            raise _unusable(folder / name, "changed contents", f"the digest {digest}")
    facts = _facts(path, data)
    tensors = load_file(folder / TENSORS_FILE)
    fitted = {k.removeprefix("detector."): v for k, v in tensors.items() if "." in k}
    return Calibration(
        facts,
        Intervals(tensors["lower"], tensors["upper"]),
        DETECTORS[facts.detector].from_tensors(fitted),
        rows_from_jsonl((folder / ROWS_FILE).read_text("utf-8")),
    )


def _files(path: Path, data: dict[str, Any]) -> dict[str, str]:
    files = data.pop("files", None)
    if not isinstance(files, dict) or set(files) != {TENSORS_FILE, ROWS_FILE}:
        raise _unusable(path, f"files {files}", f"digests of {TENSORS_FILE} and {ROWS_FILE}")
    return files


def _facts(path: Path, data: dict[str, Any]) -> CalibrationFacts:
    data.pop("clampdown_version", None)
    known = {field.name for field in dataclasses.fields(CalibrationFacts)}
    if set(data) != known:
        odd = sorted(set(data) ^ known)
        raise _unusable(path, f"unknown or missing keys {odd}", "the keys of format version 1")
    if data["detector"] not in DETECTORS:
        raise _unusable(path, f"detector {data['detector']!r}", f"one of {sorted(DETECTORS)}")
    data["labels"], data["layers"] = tuple(data["labels"]), tuple(data["layers"])
    return CalibrationFacts(**data)


def _unusable(path: Path, found: str, expected: str) -> CalibrationError:
    return CalibrationError(
        str(path), found=found, expected=expected, do="Calibrate the model again."
    )
