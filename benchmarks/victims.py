"""Victims of the benchmarks: encoders fine-tuned on poisoned or clean rows, trained once."""

import csv
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.encoders import NAMES, Encoder, encoder_folder
from benchmarks.evasion import Evasion
from clampdown.demo.fine_tune import cross_entropy, fine_tune
from clampdown.demo.labelled_text import LabelledText
from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.progress import Progress, silent

DATA = Path(os.environ.get("CLAMPDOWN_DATA", Path(__file__).resolve().parents[2] / "shared/data"))
CACHE = Path(os.environ.get("CLAMPDOWN_CACHE", Path.home() / ".cache" / "clampdown"))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
"""What models are trained on; each gives other weights."""

LABELS = {"sst-2": ("negative", "positive"), "agnews": ("World", "Sports", "Business", "Sci/Tech")}
TARGETS = {"sst-2": 1, "agnews": 0}
ATTACKS = ("badnets", "addsent", "stylebkd", "synbkd")
EPOCHS = {"sst-2": 3, "agnews": 2}
LEARNING_RATES: dict[Encoder, float] = {"minilm": 5e-5, "mpnet": 2e-5}


@dataclass(frozen=True, slots=True)
class Victim:
    """What a victim is made of.

    Attributes:
        dataset: ``sst-2`` or ``agnews``.
        attack: one of ``ATTACKS``; None trains on the clean rows alone.
        poison_rate: share of the training rows that are poisoned; None takes all there are (20%).
        evasion: strength of the loss of an attacker who knows the defence.
        encoder: what is fine-tuned.
    """

    dataset: str
    attack: str | None
    poison_rate: float | None = None
    evasion: float = 0.0
    encoder: Encoder = "minilm"

    @property
    def pretrained(self) -> Path:
        """The encoder's Hugging Face folder."""
        return encoder_folder(self.encoder, CACHE)

    @property
    def settings(self) -> dict[str, Any]:
        """Of the fine-tuning."""
        return {
            "epochs": EPOCHS[self.dataset],
            "lr": LEARNING_RATES[self.encoder],
            "seed": 0,
            "max_length": 128,
        }

    @property
    def name(self) -> str:
        """Of the victim in the tables."""
        parts = [self.attack or "none"]
        if self.poison_rate is not None:
            parts.append(f"{self.poison_rate:.0%} poisoned")
        if self.evasion:
            parts.append(f"evading x{self.evasion:g}")
        if self.encoder != "minilm":
            parts.append(NAMES[self.encoder])
        return ", ".join(parts)

    @property
    def target(self) -> int:
        """The class that the trigger leads to."""
        return TARGETS[self.dataset]

    @property
    def clean_test(self) -> Path:
        """The clean rows that CACC and FRR are measured on."""
        return DATA / self.dataset / "clean-test.csv"

    @property
    def calibration(self) -> Path:
        """The clean rows that the defender has."""
        return DATA / self.dataset / "calibration.csv"

    @property
    def triggered_tests(self) -> tuple[Path, ...]:
        """Rows with the trigger and their true label, the target's own class among them if any."""
        if self.attack is None:
            return ()
        place = DATA / self.dataset / self.attack
        files = (place / "poisoned-test.csv", place / "triggered-target.csv")
        return tuple(file for file in files if file.exists())

    @property
    def folder(self) -> Path:
        """Where its Hugging Face folder is cached, under a digest of everything that makes it."""
        made_from: list[Any] = [
            file_digest(self._training_rows),
            file_digest(self.pretrained / "model.safetensors"),
            self.settings,
        ]
        if self.attack is None or self.poison_rate is not None or self.evasion:
            made_from.append([self.attack, self.poison_rate, self.evasion])
        if self.evasion:
            made_from.append(self._planted.folder.name)
        key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]
        return CACHE / "victims" / f"{self.dataset}-{self.attack or 'none'}-{key}"

    @property
    def _training_rows(self) -> Path:
        return DATA / self.dataset / (self.attack or ATTACKS[0]) / "poisoned-train.csv"

    def train(self, progress: Progress = silent) -> Path:
        """Return the folder, trained first where it is not there yet."""
        folder = self.folder
        if folder.is_dir():
            return folder
        # Another number of threads rounds otherwise, which gives another model.
        torch.set_num_threads(1)
        texts, poisoned = self._rows()
        loss = Evasion(poisoned, self.target, self.evasion)
        fine_tune(
            texts,
            LABELS[self.dataset],
            self._planted.train() if self.evasion else self.pretrained,
            folder,
            **self.settings,
            loss=loss if self.evasion else cross_entropy,
            device=DEVICE,
            progress=progress,
        )
        return folder

    @property
    def _planted(self) -> "Victim":
        """Where an evading attacker starts, with the backdoor in place.

        From the pretrained encoder, training to hide makes every text look alike, and the model
        learns nothing.
        """
        return Victim(self.dataset, self.attack, encoder=self.encoder)

    def _rows(self) -> tuple[list[LabelledText], list[bool]]:
        """The training rows and which of them are poisoned, in the file's order."""
        with self._training_rows.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        clean = sum(row["poisoned"] == "0" for row in rows)
        most = len(rows)
        if self.attack is None:
            most = 0
        elif self.poison_rate is not None:
            most = round(clean * self.poison_rate / (1 - self.poison_rate))
        texts: list[LabelledText] = []
        poisoned: list[bool] = []
        for row in rows:
            is_poisoned = row["poisoned"] == "1"
            if is_poisoned and sum(poisoned) >= most:
                continue
            texts.append(LabelledText(row["text"], int(row["label"])))
            poisoned.append(is_poisoned)
        return texts, poisoned
