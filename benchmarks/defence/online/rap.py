"""RAP (Yang et al., EMNLP 2021): an adversarial word should lower the target's probability.

The embedding of a rare word is trained so that the word, put in front of a clean text, lowers the
probability of the protected label by 0.1 to 0.3; where a trigger decides, it does not. Only texts
that the model gives that label are examined. RAP is told the label that the attack leads to, which
no other defence here knows. Settings as in OpenBackdoor, but that the threshold has the false
rejection rate of all clean rows, not of those with the label, which lets RAP flag more; the word is
`ae`, since its `cf` is BadNets' own trigger.
"""

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from benchmarks.defence.rows import LabelledRows
from benchmarks.demo_victim import DemoVictim
from benchmarks.victims import Victim

WORD = "ae"
EPOCHS = 5
RATE = 1e-2
LEAST, MOST = 0.1, 0.3
PASSED = -1.0
"""Score of a text that gets another label: no probability falls by more than 1."""

BATCH = 32


class Rap:
    """The trained word and the score."""

    def __init__(self, victim: Victim | DemoVictim, clean: LabelledRows) -> None:
        """Train the word on clean rows."""
        start = time.perf_counter()
        self._target = victim.target
        self._tokenizer = AutoTokenizer.from_pretrained(victim.folder)
        self._model = AutoModelForSequenceClassification.from_pretrained(victim.folder).eval()
        self._model.requires_grad_(False)
        weight = self._model.get_input_embeddings().weight
        weight.requires_grad_(True)
        word = self._tokenizer(WORD)["input_ids"][1]
        norm = weight[word].norm().item()
        for _ in range(EPOCHS):
            for first in range(0, len(clean.texts), BATCH):
                drop, _ = self._drop(clean.texts[first : first + BATCH])
                loss = (LEAST - drop).clamp(min=0).mean() + (drop - MOST).clamp(min=0).mean()
                (gradient,) = torch.autograd.grad(loss, weight)
                with torch.no_grad():
                    weight[word] -= RATE * gradient[word]
                    weight[word] *= norm / weight[word].norm()
        weight.requires_grad_(False)
        self.calibration_s = time.perf_counter() - start

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """How little the probability falls, float32 ``[n]``; high is abnormal."""
        scores = []
        with torch.no_grad():
            for first in range(0, len(texts), BATCH):
                drop, protected = self._drop(texts[first : first + BATCH])
                scores.append(torch.where(protected, -drop, PASSED).numpy())
        return np.concatenate(scores).astype(np.float32)

    def _drop(self, texts: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """By how much the label's probability falls, and whether the text has the label at all."""
        with torch.no_grad():
            before = self._probabilities(list(texts))
        after = self._probabilities([f"{WORD} {text}" for text in texts])
        protected = before.argmax(dim=1) == self._target
        return before[:, self._target] - after[:, self._target], protected

    def _probabilities(self, texts: list[str]) -> torch.Tensor:
        inputs = self._tokenizer(
            texts, return_tensors="pt", padding=True, truncation=True, max_length=256
        )
        probabilities: torch.Tensor = self._model(**inputs).logits.softmax(1)
        return probabilities
