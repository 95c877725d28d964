"""Results of the steps that are done, so that the benchmark resumes where it stopped."""

import dataclasses
import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

from benchmarks.defence.plan import Step
from benchmarks.victims import CACHE
from clampdown_runtime.bundle.digests import file_digest


def result_file(step: Step) -> Path:
    """Where a step's rows are kept: under a digest of victim, rows, defence and release."""
    made_from: list[Any] = [
        step.victim.folder.name,
        file_digest(step.victim.calibration),
        dataclasses.asdict(step.limits),
        [step.kind, step.clean_rows and [step.clean_rows, step.draws], step.poisoned],
        importlib.metadata.version("clampdown"),
    ]
    key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]
    return CACHE / "defence" / f"{step.victim.dataset}-{step.kind}-{key}.json"


def read(step: Step) -> list[dict[str, Any]] | None:
    """The rows of a step that was done; None when it was not."""
    path = result_file(step)
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def write(step: Step, rows: list[dict[str, object]]) -> None:
    """Keep a step's rows, whole or not at all."""
    path = result_file(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    half.write_text(json.dumps(rows), "utf-8")
    half.rename(path)
