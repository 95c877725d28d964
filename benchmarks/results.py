"""Writes a benchmark's rows as JSON and as a Markdown table beside it."""

import importlib.metadata
import json
import platform
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from clampdown_runtime.sessions.providers import installed_builds

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
PACKAGES = ("clampdown", *installed_builds(), "ray", "torch", "transformers", "numpy")

Row = Mapping[str, object]


def write_results(name: str, rows: Sequence[Row], notes: Sequence[str] = ()) -> None:
    """Write ``docs/results/<name>.json`` and ``.md``, and print the table.

    Args:
        name: of the files.
        rows: one mapping a row, all with the same keys; None for what does not apply.
        notes: sentences under the table.
    """
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(list(rows), indent=1) + "\n", "utf-8")
    # What is a mapping or a list has its place in the JSON file.
    nested = {key for row in rows for key, value in row.items() if isinstance(value, dict | list)}
    columns = [column for column in rows[0] if column not in nested]
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(_cell(row[column]) for column in columns) for row in rows]
    table = "\n".join(f"| {line} |" for line in lines)
    module = Path(sys.argv[0]).relative_to(RESULTS.parent.parent).with_suffix("")
    dotted = ".".join(module.parts).removesuffix(".__main__")
    command = shlex.join(["python", "-m", dotted, *sys.argv[1:]])
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in _installed())
    # What ONNX Runtime's kernels are chosen by, in NumPy's names; AVX512_ICL has VNNI.
    features = ", ".join(np.show_config(mode="dicts")["SIMD Extensions"]["found"])
    python = f"Python {platform.python_version()}; {platform.machine()} with {features}"
    text = [f"`{command}`; {versions}; {python}.", table, *notes]
    (RESULTS / f"{name}.md").write_text("\n\n".join(text) + "\n", "utf-8")
    print(table)
    for note in notes:
        print(note)


def _installed() -> list[str]:
    """Those of the packages that are there: not every benchmark needs torch."""
    # By distribution: of one that is installed as editable no package is listed.
    there = {found.name.lower() for found in importlib.metadata.distributions()}
    return [name for name in PACKAGES if name in there]


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
