"""The calibration on disk: specified in docs/calibration.md before this file was written."""

import dataclasses
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import get_args

from clampdown_calib.calibration import Calibration, CalibrationFacts
from clampdown_calib.models.folder_files import leaves
from clampdown_calib.options import Exporter, Method
from clampdown_calib.rows.clean_rows import rows_from_jsonl, rows_to_jsonl
from clampdown_calib.stored_tensors import calibration_of, tensors_of
from clampdown_calib.tensor_file import read_tensors, tensor_bytes
from clampdown_runtime.bundle.digests import digest_of, file_digest
from clampdown_runtime.bundle.manifest import Precision, ProblemType, Representation
from clampdown_runtime.errors import CalibrationError, RowsError
from clampdown_runtime.writing.atomic_write import atomic_folder

FORMAT_VERSION, OF_LABELS = 3, 4
"""The latter has the key `problem_type`, and is written for models of many labels alone."""

FACTS_FILE = "calibration.json"
TENSORS_FILE = "calibration.safetensors"
ROWS_FILE = "rows.jsonl"


def save_calibration(calibration: Calibration, destination: Path) -> None:
    """Write a calibration folder, whole or not at all.

    Raises:
        DestinationError: the folder exists and is not empty, or cannot be written.
    """
    with atomic_folder(destination) as folder:
        (folder / TENSORS_FILE).write_bytes(tensor_bytes(tensors_of(calibration)))
        (folder / ROWS_FILE).write_text(rows_to_jsonl(calibration.rows), "utf-8")
        fitted = dataclasses.asdict(calibration.facts)
        is_choice = calibration.facts.problem_type == "single_label_classification"
        if is_choice:
            del fitted["problem_type"]
        facts = {
            "format_version": FORMAT_VERSION if is_choice else OF_LABELS,
            "clampdown_version": version("clampdown"),
            **fitted,
            "files": {name: file_digest(folder / name) for name in (TENSORS_FILE, ROWS_FILE)},
        }
        (folder / FACTS_FILE).write_text(
            json.dumps(facts, indent=2, ensure_ascii=False) + "\n", "utf-8"
        )


def load_calibration(folder: Path) -> Calibration:
    """Read a calibration folder and check its digests.

    Raises:
        CalibrationError: a file is missing, unreadable, changed or of a newer version.
    """
    path = folder / FACTS_FILE
    try:
        facts, digests = _read_facts(path)
        read = {name: _read(folder / name, digest) for name, digest in digests.items()}
        tensors, _ = read_tensors(read[TENSORS_FILE])
        rows = rows_from_jsonl(
            read[ROWS_FILE].decode("utf-8"),
            len(facts.labels),
            multi_label=facts.problem_type == "multi_label_classification",
        )
        return calibration_of(facts, tensors, rows)
    except OSError as error:
        found = f"a file that cannot be read ({error.strerror})"
        raise _unusable(Path(error.filename or folder), found, "readable files") from error
    except (TypeError, ValueError, RecursionError, RowsError) as error:
        # Digests that fit say that the files were written so, not that this release wrote them.
        raise _unusable(folder, f"contents that cannot be read ({error})", "its files") from error


def _read(path: Path, digest: str) -> bytes:
    """What is used is what was checked: read once."""
    if not path.is_file():
        raise _unusable(path, "no such file", "the calibration's file")
    _refuse_link(path)
    data = path.read_bytes()
    if digest_of(data) != digest:
        raise _unusable(path, "changed contents", f"the digest {digest}")
    return data


def _refuse_link(path: Path) -> None:
    if leaves(path, path.parent):
        raise _unusable(path, "a link that leaves the folder", "the calibration's file")


def _read_facts(path: Path) -> tuple[CalibrationFacts, dict[str, str]]:
    """The facts, and the digests of the other files by name."""
    if not path.is_file():
        raise _unusable(path, "no such file", "a folder that `clampdown calibrate` wrote")
    _refuse_link(path)
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        found = f"text that is not valid JSON ({error})"
        raise _unusable(path, found, "the JSON that `clampdown calibrate` wrote") from error
    written = data.pop("format_version", None) if isinstance(data, dict) else None
    if type(written) is not int or written not in (FORMAT_VERSION, OF_LABELS):
        raise CalibrationError(
            str(path),
            found=f"format version {written}",
            expected=f"{FORMAT_VERSION} or {OF_LABELS}",
            hint="Calibrate again with this release, or use the release that wrote it.",
        )
    later = {"problem_type"} if written == OF_LABELS else set()
    odd = set(data) ^ {"files", *(set(_RULES) - {"problem_type"}), *later}
    if odd:
        raise _unusable(
            path,
            f"unknown or missing keys {sorted(odd)}",
            f"those of format version {written}",
        )
    files = data.pop("files")
    if not isinstance(files, dict) or set(files) != {TENSORS_FILE, ROWS_FILE}:
        raise _unusable(path, f"files {files}", f"digests of {TENSORS_FILE} and {ROWS_FILE}")
    for key, value in data.items():
        if not _RULES[key](value):
            raise _unusable(path, f"{key} {value!r}", "a value as docs/calibration.md says")
    del data["clampdown_version"]
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
    "clampdown_version": _is_text,
    "model_digest": _is_text,
    "model_name": _is_text,
    "model_type": _is_text,
    "graph_digest": _is_text,
    "precision": get_args(Precision).__contains__,
    "exporter": get_args(Exporter).__contains__,
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
    "problem_type": get_args(ProblemType).__contains__,
}
"""What each fact has to be: the file can be edited by hand, since no digest covers it."""


def _unusable(path: Path, found: str, expected: str) -> CalibrationError:
    return CalibrationError(
        str(path), found=found, expected=expected, hint="Calibrate the model again."
    )
