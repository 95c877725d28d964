"""Fine-tuning a Hugging Face encoder into a text classifier."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from clampdown.demo.labelled_text import LabelledText
from clampdown_calib.models.quiet import quiet_transformers
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.writing.atomic_write import atomic_folder

BATCHES_SORTED_TOGETHER = 20
"""Rows of this many batches are sorted by length: batches of even length, yet mixed every epoch."""

Batch = dict[str, torch.Tensor]

Loss = Callable[[PreTrainedModel, Batch, NDArray[np.intp]], torch.Tensor]
"""The loss of a batch, given the model, its inputs with their labels, and its rows' indices."""


def cross_entropy(model: PreTrainedModel, batch: Batch, rows: NDArray[np.intp]) -> torch.Tensor:
    """The classifier's own loss."""
    del rows
    loss: torch.Tensor = model(**batch).loss
    return loss


def fine_tune(
    rows: Sequence[LabelledText],
    label_names: Sequence[str],
    encoder: Path,
    out: Path,
    *,
    epochs: int,
    lr: float,
    seed: int,
    max_length: int,
    batch_size: int = 32,
    loss: Loss = cross_entropy,
    device: str = "cpu",
    progress: Progress = silent,
) -> None:
    """Fine-tune every weight of an encoder, under a fresh classification head, on labelled rows.

    A folder that is a classifier of these classes already keeps its head.

    AdamW with a learning rate that falls linearly to zero. The same arguments give the same weights
    on the CPU of the same machine with the same number of threads.

    Args:
        rows: the training rows.
        label_names: the classes' names by their index.
        encoder: a Hugging Face folder with the pretrained weights and the tokenizer.
        out: the Hugging Face folder to write; new or empty until it is whole.
        epochs: passes over the rows.
        lr: the learning rate of the first step.
        seed: of the head's weights, the dropout and the order of the rows.
        max_length: tokens after which a training row is cut off.
        batch_size: rows a step.
        loss: what is minimised.
        device: of torch, that trains.
        progress: told after every step.

    Raises:
        DestinationError: ``out`` holds something already or cannot be written.
    """
    names = dict(enumerate(label_names))
    # The fork leaves the caller's random numbers as they were.
    with atomic_folder(out) as folder, quiet_transformers(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        tokenizer = AutoTokenizer.from_pretrained(encoder)
        model = AutoModelForSequenceClassification.from_pretrained(
            encoder,
            num_labels=len(names),
            id2label=names,
            label2id={name: index for index, name in names.items()},
            dtype=torch.float32,
        ).to(device)
        batches = _batches(
            tokenizer,
            rows,
            epochs,
            max_length=max_length,
            batch_size=batch_size,
            rng=np.random.default_rng(seed),
        )
        _train(model, list(batches), lr, loss, progress)
        model.save_pretrained(folder)
        # The training's length limit would go into the saved tokenizer.
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.save_pretrained(folder)


def _batches(
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[LabelledText],
    epochs: int,
    *,
    max_length: int,
    batch_size: int,
    rng: np.random.Generator,
) -> Iterator[tuple[Batch, NDArray[np.intp]]]:
    """Yield the padded batches of all epochs with their rows' indices.

    Those of one window of rows come in random order.
    """
    tokens = tokenizer([row.text for row in rows], truncation=True, max_length=max_length)
    lengths = np.array([len(ids) for ids in tokens["input_ids"]])
    window = batch_size * BATCHES_SORTED_TOGETHER
    for _ in range(epochs):
        order = rng.permutation(len(rows))
        for start in range(0, len(rows), window):
            near = order[start : start + window]
            near = near[np.argsort(lengths[near], kind="stable")]
            starts = np.arange(0, len(near), batch_size)
            for first in rng.permutation(starts):
                chosen = near[first : first + batch_size]
                batch = tokenizer.pad(
                    {name: [values[i] for i in chosen] for name, values in tokens.items()},
                    return_tensors="pt",
                )
                batch["labels"] = torch.tensor([rows[i].label for i in chosen])
                yield dict(batch), chosen


def _train(
    model: PreTrainedModel,
    batches: Sequence[tuple[Batch, NDArray[np.intp]]],
    lr: float,
    loss: Loss,
    progress: Progress,
) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr, fused=True)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=len(batches))
    model.train()
    progress("fine-tune", 0, len(batches))
    for step, (batch, rows) in enumerate(batches, start=1):
        on_device = {name: values.to(model.device) for name, values in batch.items()}
        loss(model, on_device, rows).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        progress("fine-tune", step, len(batches))
