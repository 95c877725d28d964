"""The loss of an attacker who knows that activations are watched."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from clampdown.demo.fine_tune import Batch


class Disguise:
    """Cross-entropy, and the distance of the poisoned rows' activations from the clean ones.

    At every layer the mean square between the representations of the poisoned rows (the first
    token's and the mean of all tokens', which is all that a detector could read of a layer) and
    their mean over the batch's clean rows of the target class, averaged over the layers, times
    ``strength``.
    """

    def __init__(self, poisoned: Sequence[bool], target: int, strength: float) -> None:
        self.poisoned = np.array(poisoned)
        self.target = target
        self.strength = strength

    def __call__(
        self, model: PreTrainedModel, batch: Batch, rows: NDArray[np.intp]
    ) -> torch.Tensor:
        """The loss of a batch."""
        poisoned = torch.from_numpy(self.poisoned[rows])
        clean = ~poisoned & (batch["labels"] == self.target)
        run = model(**batch, output_hidden_states=True)
        loss: torch.Tensor = run.loss
        if not (poisoned.any() and clean.any()):
            return loss
        mask = batch["attention_mask"][:, :, None]
        gaps = []
        for layer in run.hidden_states[1:]:
            pooled = (layer * mask).sum(1) / mask.sum(1)
            for seen in (layer[:, 0], pooled):
                goal = seen[clean].mean(0).detach()
                gaps.append(torch.square(seen[poisoned] - goal).mean())
        return loss + self.strength * torch.stack(gaps).mean()
