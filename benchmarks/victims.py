"""Backdoored victims of the benchmarks, trained once and cached outside the repository."""

import hashlib
import json
import os
import sys
from pathlib import Path

from clampdown.demo.encoder import minilm
from clampdown.demo.fine_tune import fine_tune
from clampdown.demo.labelled_text import LabelledText
from clampdown_runtime.digests import file_digest
from clampdown_runtime.rows import read_rows

DATA = Path(os.environ.get("CLAMPDOWN_DATA", Path(__file__).resolve().parents[2] / "shared/data"))
CACHE = Path(os.environ.get("CLAMPDOWN_CACHE", Path.home() / ".cache" / "clampdown"))
SETTINGS = {"epochs": 3, "lr": 5e-5, "seed": 0, "max_length": 128}
LABELS = {"sst-2": ("negative", "positive"), "agnews": ("World", "Sports", "Business", "Sci/Tech")}


def victim(dataset: str, attack: str) -> Path:
    """The Hugging Face folder of MiniLM fine-tuned on a poisoned training set.

    Args:
        dataset: ``sst-2`` or ``agnews``.
        attack: a folder of it, such as ``badnets``.
    """
    rows = DATA / dataset / attack / "poisoned-train.csv"
    made_from = [file_digest(rows), file_digest(minilm() / "model.safetensors"), SETTINGS]
    key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]
    folder = CACHE / "victims" / f"{dataset}-{attack}-{key}"
    if not folder.is_dir():
        print(f"Training {folder.name}", file=sys.stderr)
        fine_tune(
            [LabelledText(row.text, int(row.label or 0)) for row in read_rows(rows)],
            LABELS[dataset],
            minilm(),
            folder,
            **SETTINGS,
            progress=_every_fiftieth,
        )
    return folder


def _every_fiftieth(stage: str, done: int, total: int) -> None:
    if done % 50 == 0:
        print(stage, done, total, file=sys.stderr, flush=True)
