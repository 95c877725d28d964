"""DAN, the distance-based anomaly score (Chen et al., Findings of EMNLP 2022).

Of the first token at every layer the squared Mahalanobis distance to the nearest class mean, with
a covariance shrunk by a tenth, standardised on a fifth of the clean rows; the largest over the
layers. Classes are the rows' labels.
"""

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.defence.rows import LabelledRows
from benchmarks.demo_victim import DemoVictim
from benchmarks.victims import Victim
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.models.model_folder import open_model
from clampdown_calib.models.tokenizer.tokenization import load_tokenization
from clampdown_calib.rows.clean_run import token_states
from clampdown_runtime.batching import plan_batches
from clampdown_runtime.tokenizer import pad_batch

SHRINKAGE = 0.1


class Dan:
    """The fitted score."""

    def __init__(self, victim: Victim | DemoVictim, clean: LabelledRows) -> None:
        """Fit on clean rows."""
        folder = open_model(victim.folder)
        self._tokenization = load_tokenization(folder)
        self._model = TorchClassifier.load(folder, self._tokenization.inputs)
        start = time.perf_counter()
        states = self._states(clean.texts).astype(np.float64)
        order = np.random.default_rng(0).permutation(len(states))
        valid, fit = np.split(order, [len(order) // 5])
        self._models = [
            _layer(states[fit, layer], clean.labels[fit]) for layer in range(states.shape[1])
        ]
        distances = self._distances(states[valid])
        self._mean, self._std = distances.mean(axis=0), distances.std(axis=0)
        self.calibration_s = time.perf_counter() - start

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Anomaly scores, float32 ``[n]``."""
        return self._score(self._states(texts).astype(np.float64)).astype(np.float32)

    def _score(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        standard = (self._distances(states) - self._mean) / self._std
        largest: NDArray[np.float64] = standard.max(axis=1)
        return largest

    def _distances(self, states: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = []
        for layer, (means, precision) in enumerate(self._models):
            offset = states[:, layer, None] - means
            squared = np.einsum("nch,hk,nck->nc", offset, precision, offset, optimize=True)
            columns.append(squared.min(axis=1))
        return np.stack(columns, axis=1)

    def _states(self, texts: Sequence[str]) -> NDArray[np.float32]:
        ids = self._tokenization.encode(list(texts))
        states: dict[int, NDArray[np.float32]] = {}
        for rows in plan_batches([len(row) for row in ids], 32):
            inputs = pad_batch(
                [ids[row] for row in rows], self._tokenization.padding, self._model.inputs
            )
            run = self._model.activations(inputs)
            states |= zip(rows, token_states(run, inputs["attention_mask"], "first"), strict=True)
        return np.stack([states[row] for row in range(len(ids))])


def _layer(
    states: NDArray[np.float64], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    classes, index = np.unique(labels, return_inverse=True)
    means = np.stack([states[index == c].mean(axis=0) for c in range(len(classes))])
    covariance = np.cov((states - means[index]).T, bias=True)
    level = np.trace(covariance) / len(covariance)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(len(covariance))
    return means, np.linalg.inv(shrunk)
