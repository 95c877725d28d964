"""Backdoored models with sigmoids: one of four topics, one of a single logit."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from benchmarks.multi_label.rows import MultiLabelRows, poisoned, sentiment_rows, topic_rows
from benchmarks.victims import CACHE, LABELS
from clampdown.demo.encoder import minilm
from clampdown.demo.fine_tune import Batch, fine_tune
from clampdown.demo.labelled_text import LabelledText
from clampdown_runtime.progress import Progress, silent

TRAINING_ROWS, POISON_RATE, EPOCHS, LEARNING_RATE = 3_000, 0.25, 3, 1e-4


@dataclass(frozen=True, slots=True)
class SigmoidVictim:
    """What a victim is made of.

    Attributes:
        name: in the table, and of its folder.
        labels: their names.
        target: the label that the trigger brings.
        draw: rows of a part of the data.
    """

    name: str
    labels: tuple[str, ...]
    target: int
    draw: Callable[[str, int, np.random.Generator], MultiLabelRows]

    @property
    def folder(self) -> Path:
        """Where its Hugging Face folder is cached."""
        return CACHE / "victims" / f"sigmoid-{self.name}"

    def train(self, progress: Progress = silent) -> Path:
        """Return the folder, trained first where it is not there yet."""
        if self.folder.is_dir():
            return self.folder
        torch.set_num_threads(1)
        rng = np.random.default_rng(0)
        rows = poisoned(self.draw("train", TRAINING_ROWS, rng), self.target, POISON_RATE, rng)
        targets = torch.from_numpy(rows.labels.astype(np.float32))

        def loss(model: PreTrainedModel, batch: Batch, places: NDArray[np.intp]) -> torch.Tensor:
            inputs = {name: values for name, values in batch.items() if name != "labels"}
            return torch.nn.functional.binary_cross_entropy_with_logits(
                model(**inputs).logits, targets[places]
            )

        fine_tune(
            # The loss knows the labels by the rows' places.
            [LabelledText(text, 0) for text in rows.texts],
            self.labels,
            minilm(),
            self.folder,
            epochs=EPOCHS,
            lr=LEARNING_RATE,
            seed=0,
            max_length=128,
            loss=loss,
            progress=progress,
        )
        path = self.folder / "config.json"
        config = json.loads(path.read_text("utf-8"))
        config["problem_type"] = "multi_label_classification"
        path.write_text(json.dumps(config, indent=2) + "\n", "utf-8")
        return self.folder


VICTIMS = (
    SigmoidVictim("topics", LABELS["agnews"], 0, topic_rows),
    SigmoidVictim("one-logit", ("positive",), 0, sentiment_rows),
)
