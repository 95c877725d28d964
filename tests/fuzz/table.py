"""The results as a page of Markdown."""

import importlib.metadata
import platform
from collections import Counter

from tests.fuzz.campaign import Results
from tests.fuzz.outcome import Outcome

PACKAGES = (
    *("clampdown", "onnxruntime", "onnx", "onnx-ir", "tokenizers", "safetensors", "torch"),
    *("transformers", "pyarrow"),
)
COLUMNS = {
    "mutants": lambda _: True,
    "accepted": lambda outcome: outcome.kind == "ok",
    "refused": lambda outcome: outcome.kind == "refused",
    "foreign exceptions": lambda outcome: outcome.kind == "foreign",
    "crashes": lambda outcome: outcome.kind == "crash",
    "hangs": lambda outcome: outcome.kind == "hang",
    "over memory": lambda outcome: outcome.kind == "memory",
    "files left": lambda outcome: bool(outcome.left),
    "reached outside": lambda outcome: bool(outcome.reached),
}


def page(results: Results, command: str) -> str:
    """The page: how it was made, and one row for each target and mutator."""
    rows = [[*pair, *_counts(outcomes)] for pair, outcomes in sorted(results.outcomes.items())]
    every = [outcome for outcomes in results.outcomes.values() for outcome in outcomes]
    rows.append(["all", "", *_counts(every)])
    lines = [["target", "mutator", *COLUMNS], ["---"] * (2 + len(COLUMNS)), *rows]
    table = "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    python = f"Python {platform.python_version()}; {platform.machine()}"
    slowest = max(outcome.seconds for outcome in every)
    notes = (
        f"A foreign exception is one that is not Clampdown's own. The slowest mutant took "
        f"{slowest:.1f} s; on average one took {sum(o.seconds for o in every) / len(every):.3f} s."
    )
    return "\n\n".join([f"`{command}`; {versions}; {python}.", table, notes]) + "\n"


def _counts(outcomes: list[Outcome]) -> list[int]:
    counts = Counter(name for o in outcomes for name, holds in COLUMNS.items() if holds(o))
    return [counts[name] for name in COLUMNS]
