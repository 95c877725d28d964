"""What a user could do instead: fine-tune on the clean rows that calibrate a defence."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.defence.rows import LabelledRows, first_rows
from benchmarks.demo_victim import DemoVictim
from benchmarks.victims import CACHE, DEVICE, LABELS, Victim
from clampdown.demo.fine_tune import fine_tune
from clampdown.demo.labelled_text import LabelledText
from clampdown.demo.tweets import LABEL_NAMES
from clampdown_runtime.batching import plan_batches
from clampdown_runtime.bundle.digests import file_digest

SETTINGS = {"epochs": 5, "lr": 5e-5, "batch_size": 16, "seed": 0, "max_length": 128}
LONGEST = 256


@dataclass(frozen=True, slots=True)
class Retrained:
    """A model fine-tuned on clean rows.

    Attributes:
        victim: whose clean rows they are.
        rows: how many of them, the first ones; None takes all.
        from_victim: start from the victim's weights; otherwise from the public encoder.
    """

    victim: Victim | DemoVictim
    rows: int | None
    from_victim: bool

    @property
    def clean(self) -> LabelledRows:
        """The rows."""
        return first_rows(self.victim.calibration, self.rows)

    @property
    def start(self) -> Path:
        """The Hugging Face folder that is fine-tuned."""
        return self.victim.folder if self.from_victim else self.victim.pretrained

    @property
    def folder(self) -> Path:
        """Where its Hugging Face folder is cached, under a digest of everything that makes it."""
        made_from = [
            file_digest(self.start / "model.safetensors"),
            file_digest(self.victim.calibration),
            self.rows,
            SETTINGS,
        ]
        key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]
        return CACHE / "retrained" / f"{self.victim.dataset}-{key}"

    def train(self) -> Path:
        """Return the folder, trained first where it is not there yet."""
        folder = self.folder
        if not folder.is_dir():
            torch.set_num_threads(1)
            clean = self.clean
            fine_tune(
                [LabelledText(t, int(n)) for t, n in zip(clean.texts, clean.labels, strict=True)],
                LABELS.get(self.victim.dataset, LABEL_NAMES),
                self.start,
                folder,
                **SETTINGS,  # type: ignore[arg-type]
                device=DEVICE,
            )
        return folder


@cache
def checkpoint_classes(folder: Path, texts: tuple[str, ...]) -> NDArray[np.int64]:
    """The classes, int64 ``[n]``, that a Hugging Face checkpoint gives texts.

    Kept, since the victims of a data set share most of their rows.
    """
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval().to(DEVICE)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(list(texts), truncation=True, max_length=LONGEST)["input_ids"]
    classes = np.empty(len(ids), np.int64)
    with torch.no_grad():
        for batch in plan_batches([len(row) for row in ids], 32):
            inputs = tokenizer.pad({"input_ids": [ids[i] for i in batch]}, return_tensors="pt")
            classes[batch] = model(**inputs.to(DEVICE)).logits.argmax(1).cpu().numpy()
    return classes
