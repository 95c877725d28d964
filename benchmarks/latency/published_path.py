"""The published defence as its code runs it: in PyTorch, one row at a time, padded."""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

from clampdown_calib.badacts.nas import DELTA

PADDED = 512


class PublishedPath:
    """Detection and prediction of one row, a pass of the network each, as the published code does.

    Neither pass clips, as for a row that is not flagged. The published code fits a normal
    distribution to every neuron and tests each; one comparison for all stands for it here.
    """

    def __init__(self, model: Path) -> None:
        self._model = AutoModelForSequenceClassification.from_pretrained(model).eval()
        config = self._model.config
        neurons = config.hidden_size * config.num_hidden_layers
        self._mean, self._std = torch.zeros(neurons), torch.ones(neurons)

    def run(self, length: int, padded: int, threads: int) -> Callable[[], tuple[float, int]]:
        """What gives the score and the class of one row of random tokens.

        Args:
            length: its tokens.
            padded: the tokens with padding.
            threads: that one operator may use.
        """
        ids = torch.zeros((1, padded), dtype=torch.int64)
        ids[:, :length] = torch.randint(1000, 20000, (1, length))
        mask = (torch.arange(padded) < length).to(torch.int64)[None]

        def row() -> tuple[float, int]:
            torch.set_num_threads(threads)
            with torch.no_grad():
                seen = self._model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
                first = torch.cat([layer[:, 0] for layer in seen.hidden_states[1:]], dim=1)
                unusual = (first - self._mean).abs() > DELTA * self._std
                logits = self._model(input_ids=ids, attention_mask=mask).logits
            return float(unusual.float().mean()), int(logits.argmax())

        return row
