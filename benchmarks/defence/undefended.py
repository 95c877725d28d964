"""The victim as it is: what the online defences run, and what every defence is compared with."""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clampdown_runtime.batching import plan_batches
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.sessions.session import create_session
from clampdown_runtime.tokenizer import pad_batch

TIMED_ROWS = 30


class Undefended:
    """The graph of a bundle without its defence, on one thread."""

    def __init__(self, path: Path, like: DefendedClassifier) -> None:
        """Load the file that ``write_undefended`` wrote for ``like``'s bundle."""
        self.like = like
        self.session = create_session(path, provider="cpu", threads=1)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of texts, special tokens included."""
        return [list(item.ids) for item in self.like.tokenizer.encode(texts)]

    def logits(self, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Logits float32 ``[n, C]`` of token ids."""
        manifest = self.like.manifest
        result = np.empty((len(ids), len(manifest.labels)), np.float32)
        for batch in plan_batches([len(row) for row in ids], 32):
            feed = pad_batch([ids[row] for row in batch], manifest.padding, manifest.inputs)
            (result[batch],) = self.session.run(["logits"], feed)
        return result

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Softmax of the logits, float64 ``[n, C]``."""
        logits = self.logits(self.ids(texts)).astype(np.float64)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        result: NDArray[np.float64] = shifted / shifted.sum(axis=1, keepdims=True)
        return result


def milliseconds(texts: Sequence[str], answer: Callable[[str], object]) -> float:
    """Median time for one text, after two that are not counted."""
    taken = []
    for text in texts[: TIMED_ROWS + 2]:
        start = time.perf_counter()
        answer(text)
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken[2:])
