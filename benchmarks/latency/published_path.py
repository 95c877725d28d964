"""The published defence as its code runs it: in PyTorch, one row at a time, padded."""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

PADDED = 512
DEVIATIONS = 3


class PublishedPath:
    """One pass that collects every layer's output, and the share of neurons out of their range.

    The clipped second pass of a flagged row is left out, so that what is measured is at most what
    the published code takes.
    """

    def __init__(self, model: Path) -> None:
        self._model = AutoModelForSequenceClassification.from_pretrained(model).eval()
        width, layers = self._model.config.hidden_size, self._model.config.num_hidden_layers
        self._mean, self._std = torch.zeros(layers * width), torch.ones(layers * width)

    def run(self, length: int, padded: int, threads: int) -> Callable[[], float]:
        """The score of one row of random tokens.

        Args:
            length: its tokens.
            padded: the tokens with padding.
            threads: that one operator may use.
        """
        ids = torch.zeros((1, padded), dtype=torch.int64)
        ids[:, :length] = torch.randint(1000, 20000, (1, length))
        mask = (torch.arange(padded) < length).to(torch.int64)[None]

        def score() -> float:
            torch.set_num_threads(threads)
            with torch.no_grad():
                found = self._model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
                first = torch.cat([layer[:, 0] for layer in found.hidden_states[1:]], dim=1)
                outside = (first - self._mean).abs() > DEVIATIONS * self._std
                return float(outside.float().mean())

        return score
