"""Writes the digests of changed files anew, so that a mutant gets past them."""

import json
from collections.abc import Iterable
from pathlib import Path

from clampdown_runtime.bundle.digests import file_digest

LISTS = ("clampdown.json", "calibration.json")
"""The files that list the digests of the others, of a bundle and of a calibration."""


def seal(folder: Path, changed: Iterable[Path]) -> None:
    """Lists the digests of files as they now are; a folder without a list has none to seal."""
    for name in LISTS:
        path = folder / name
        if path.is_file():
            _write(path, changed)


def _write(path: Path, changed: Iterable[Path]) -> None:
    facts = json.loads(path.read_bytes())
    for file in changed:
        if file.is_file() and file != path:
            facts["files"][file.relative_to(path.parent).as_posix()] = file_digest(file)
    if "calibration_digest" in facts:
        facts["calibration_digest"] = facts["files"]["calibration.safetensors"]
    path.write_text(json.dumps(facts))
