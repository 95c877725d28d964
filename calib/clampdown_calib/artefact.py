"""The calibration on disk: specified in docs/calibration.md before this file was written."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from clampdown_calib.architectures import Representation
from clampdown_calib.clean_rows import CleanRow, rows_from_jsonl, rows_to_jsonl
from clampdown_calib.detectors import Detector, ExcessDetector, NasDetector
from clampdown_calib.intervals import Intervals
from clampdown_calib.probes import probed_layers
from clampdown_runtime.digests import file_digest
from clampdown_runtime.errors import CalibrationError
from clampdown_runtime.staging import staged_folder

FORMAT_VERSION = 2
FACTS_FILE = "calibration.json"
TENSORS_FILE = "calibration.safetensors"
ROWS_FILE = "rows.jsonl"

Method = Literal["probe", "badacts"]
"""What is fitted: Clampdown's own defence, or the published one."""


@dataclass(frozen=True, slots=True)
class CalibrationFacts:
    """What ``calibration.json`` says besides its version and digests.

    Attributes:
        model_digest: of the model folder that the calibration was fitted on.
        model_name: its name.
        model_type: its architecture.
        labels: the name of class 0, 1, …
        layers: names of the defended layers, in order.
        representation: the token that the published detector reads.
        method: ``probe`` or ``badacts``.
        epochs: passes of the intervals' optimisation, 0 without intervals.
        frr: the false rejection rate asked for.
        seed: of the split and the optimisation.
        fit_rows: rows that everything was fitted on.
        held_out_rows: rows that set the threshold; where both are all rows, each is held out of one
            of several fits.
        kept: share of the fit rows' predictions that survive the clipping, 0 to 1; None without
            intervals.
    """

    model_digest: str
    model_name: str
    model_type: str
    labels: tuple[str, ...]
    layers: tuple[str, ...]
    representation: Representation
    method: Method
    epochs: int
    frr: float
    seed: int
    fit_rows: int
    held_out_rows: int
    kept: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted on the clean rows of one model, and the rows.

    Attributes:
        facts: what was fitted, and how.
        detector: of predictions that were forced, or of abnormal activations.
        intervals: the clean interval of every neuron, into which the published method clips; None
            with the other.
        rows: the clean rows.
    """

    facts: CalibrationFacts
    detector: Detector
    intervals: Intervals | None
    rows: tuple[CleanRow, ...]

    def summary(self) -> dict[str, object]:
        """The facts, for a report."""
        facts = dataclasses.asdict(self.facts)
        if self.intervals is not None:
            widths = self.intervals.widths.mean(axis=1)
            facts["mean_widths"] = [round(float(width), 4) for width in widths]
        return facts

    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """Every fitted tensor by its name in the file."""
        fitted = {f"detector.{k}": v for k, v in self.detector.tensors().items()}
        if self.intervals is not None:
            fitted |= {"lower": self.intervals.lower, "upper": self.intervals.upper}
        return fitted


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
    contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    path.write_bytes(save(contiguous, metadata))


def load_calibration(folder: Path) -> Calibration:
    """Read a calibration folder and check its digests.

    Raises:
        CalibrationError: a file is missing, unreadable, changed or of a newer version.
    """
    path = folder / FACTS_FILE
    try:
        facts, digests = _read_facts(path)
        for name, digest in digests.items():
            if not (folder / name).is_file():
                raise _unusable(folder / name, "no such file", "the calibration's file")
            if file_digest(folder / name) != digest:
                raise _unusable(folder / name, "changed contents", f"the digest {digest}")
        tensors = load_file(folder / TENSORS_FILE)
        rows = rows_from_jsonl((folder / ROWS_FILE).read_text("utf-8"))
    except OSError as error:
        found = f"a file that cannot be read ({error.strerror})"
        raise _unusable(Path(error.filename or folder), found, "readable files") from error
    except (SafetensorError, TypeError, ValueError) as error:
        # Digests that fit say that the files were written so, not that this release wrote them.
        raise _unusable(folder, f"contents that cannot be read ({error})", "its files") from error
    return Calibration(
        facts,
        _detector(folder, facts, tensors),
        _intervals(folder, facts, tensors) if facts.method == "badacts" else None,
        rows,
    )


def _read_facts(path: Path) -> tuple[CalibrationFacts, dict[str, str]]:
    """The facts, and the digests of the other files by name."""
    if not path.is_file():
        raise _unusable(path, "no such file", "a folder that `clampdown calibrate` wrote")
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        found = f"text that is not valid JSON ({error})"
        raise _unusable(path, found, "the JSON that `clampdown calibrate` wrote") from error
    written = data.pop("format_version", None) if isinstance(data, dict) else None
    if type(written) is not int or written != FORMAT_VERSION:
        raise CalibrationError(
            str(path),
            found=f"format version {written}",
            expected=f"{FORMAT_VERSION}",
            do="Calibrate again with this release, or use the release that wrote it.",
        )
    odd = set(data) ^ {"clampdown_version", "files", *_RULES}
    if odd:
        raise _unusable(
            path,
            f"unknown or missing keys {sorted(odd)}",
            f"those of format version {FORMAT_VERSION}",
        )
    files = data.pop("files")
    if not isinstance(files, dict) or set(files) != {TENSORS_FILE, ROWS_FILE}:
        raise _unusable(path, f"files {files}", f"digests of {TENSORS_FILE} and {ROWS_FILE}")
    del data["clampdown_version"]
    for key, value in data.items():
        if not _RULES[key](value):
            raise _unusable(path, f"{key} {value!r}", "a value as docs/calibration.md says")
    data["labels"], data["layers"] = tuple(data["labels"]), tuple(data["layers"])
    return CalibrationFacts(**data), files


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_share(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


def _are_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


_RULES: dict[str, Callable[[object], bool]] = {
    "model_digest": _is_text,
    "model_name": _is_text,
    "model_type": _is_text,
    "labels": _are_names,
    "layers": _are_names,
    "representation": get_args(Representation).__contains__,
    "method": get_args(Method).__contains__,
    "epochs": _is_count,
    "frr": _is_share,
    "seed": _is_count,
    "fit_rows": _is_count,
    "held_out_rows": _is_count,
    "kept": lambda value: value is None or _is_share(value),
}
"""What each fact has to be: the file can be edited by hand, since no digest covers it."""


def _intervals(
    folder: Path, facts: CalibrationFacts, tensors: dict[str, NDArray[Any]]
) -> Intervals:
    shapes = {tensors[name].shape for name in ("lower", "upper") if name in tensors}
    found = f"lower and upper of the shapes {shapes}"
    if {"lower", "upper"} <= set(tensors) and len(shapes) == 1:
        fitted = Intervals(tensors["lower"], tensors["upper"])
        if fitted.lower.shape[:1] == (len(facts.layers),) and (fitted.widths >= 0).all():
            return fitted
        found += ", or bounds that are not in order"
    expected = f"a lower and an upper bound for every neuron of {len(facts.layers)} layers"
    raise _unusable(folder / TENSORS_FILE, found, expected)


def _detector(folder: Path, facts: CalibrationFacts, tensors: dict[str, NDArray[Any]]) -> Detector:
    prefix = "detector."
    given = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    found = {name: tensor.shape for name, tensor in given.items()}
    layers, classes = len(facts.layers), len(facts.labels)
    detector: type[Detector]
    wanted: dict[str, tuple[int, ...]]
    if facts.method == "badacts":
        detector = NasDetector
        width = (0, *found.get("mean", ()))[-1]
        wanted = {"mean": (layers, width), "reach": (layers, width)}
    else:
        detector = ExcessDetector
        probed = probed_layers(layers)
        width = (*found.get("weights", ()), 0, 0)[1]
        wanted = {
            "weights": (probed, width, classes),
            "bias": (probed, classes),
            **dict.fromkeys(("slope", "centre", "spread"), (probed,)),
        }
    if found != wanted:
        raise _unusable(folder / TENSORS_FILE, f"the detector's tensors {found}", str(wanted))
    return detector.from_tensors(given)


def _unusable(path: Path, found: str, expected: str) -> CalibrationError:
    return CalibrationError(
        str(path), found=found, expected=expected, do="Calibrate the model again."
    )
