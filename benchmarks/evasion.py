"""The loss of an attacker who knows the whole defence: what it reads, and what it compares."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from clampdown.demo.fine_tune import Batch
from clampdown_calib.evidence.probes import probed_layers

PROBE_RATE = 1e-2
"""Learning rate of the attacker's probes, which have to follow the layers as they change."""


class Evasion:
    """Cross-entropy, and the excess confidence that a defender would see in poisoned rows.

    The attacker trains a probe of every layer but the last along with the model, on the batch's
    clean rows, and adds ``strength`` times the mean square of what the target leads by in the
    logits of the poisoned rows over what it leads by in each probe's. The model can lower it either
    way: by persuading the layers, or by being no surer than they are.
    """

    def __init__(self, poisoned: Sequence[bool], target: int, strength: float) -> None:
        self.poisoned = np.array(poisoned)
        self.target = target
        self.strength = strength
        self._probes: list[torch.nn.Linear] = []
        self._optimizer: torch.optim.Optimizer | None = None

    def __call__(
        self, model: PreTrainedModel, batch: Batch, rows: NDArray[np.intp]
    ) -> torch.Tensor:
        """The loss of a batch."""
        poisoned = torch.from_numpy(self.poisoned[rows]).to(model.device)
        run = model(**batch, output_hidden_states=True)
        loss: torch.Tensor = run.loss
        mask = batch["attention_mask"][:, :, None]
        layers = run.hidden_states[1:]
        means = [(h * mask).sum(1) / mask.sum(1) for h in layers[: probed_layers(len(layers))]]
        clean = [layer[~poisoned].detach() for layer in means]
        self._train(clean, batch["labels"][~poisoned], classes=run.logits.shape[1])
        if not poisoned.any():
            return loss
        own = self._lead(run.logits[poisoned])
        squares = []
        for probe, layer in zip(self._probes, means, strict=True):
            said = torch.nn.functional.linear(
                layer[poisoned], probe.weight.detach(), probe.bias.detach()
            )
            squares.append(torch.square((own - self._lead(said)).clamp(min=0)).mean())
        return loss + self.strength * torch.stack(squares).mean()

    def _train(self, means: list[torch.Tensor], labels: torch.Tensor, *, classes: int) -> None:
        """Another step of the probes on clean rows, ``[n, H]`` of each layer."""
        if self._optimizer is None:
            self._probes = [
                torch.nn.Linear(layer.shape[1], classes, device=layer.device) for layer in means
            ]
            parameters = [p for probe in self._probes for p in probe.parameters()]
            self._optimizer = torch.optim.Adam(parameters, PROBE_RATE)
        if len(labels):
            losses = [
                torch.nn.functional.cross_entropy(probe(layer), labels)
                for probe, layer in zip(self._probes, means, strict=True)
            ]
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
            self._optimizer.step()
            self._optimizer.zero_grad()

    def _lead(self, logits: torch.Tensor) -> torch.Tensor:
        """By how much the target leads, ``[n]``."""
        others = torch.arange(logits.shape[1], device=logits.device) != self.target
        return logits[:, self.target] - logits[:, others].amax(1)
