"""What the exported graph gives on the clean rows: scores, accuracy and latency."""

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clampdown_exporter.passes.insert_statistic import THRESHOLD
from clampdown_exporter.undefended import write_undefended
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.session import create_session
from clampdown_runtime.timing import median_ratio, seconds_in_turn

LATENCY_TOKENS = 32
LATENCY_ROUNDS = 30


@dataclass(frozen=True, slots=True)
class CleanMeasurements:
    """What fit rows and held-out rows give.

    Where all rows are either, a row's held-out score and purified logits are those of the fit
    without it, see :class:`clampdown_calib.detectors.Unseen`.

    Attributes:
        fit_scores: float32 ``[fit rows]``, of the graph.
        held_out_scores: float32 ``[held-out rows]``.
        undefended_logits: float32 ``[held-out rows, C]``, of the graph without the defence.
        purified_logits: float32 ``[held-out rows, C]``, with every row treated as flagged.
        latency: median ratio to the undefended graph, ``unflagged`` and ``flagged``.
    """

    fit_scores: NDArray[np.float32]
    held_out_scores: NDArray[np.float32]
    undefended_logits: NDArray[np.float32]
    purified_logits: NDArray[np.float32]
    latency: dict[str, float]

    def tensors(self, labels: NDArray[np.int64] | None) -> dict[str, NDArray[np.generic]]:
        """The tensors of docs/calibration.md, without any row."""
        undefended = self.undefended_logits.argmax(axis=1)
        purified = self.purified_logits.argmax(axis=1)
        tensors: dict[str, NDArray[np.generic]] = {
            "clean.fit_scores": self.fit_scores,
            "clean.held_out_scores": self.held_out_scores,
            "clean.changed": (undefended != purified).astype(np.uint8),
            **{
                f"latency.{name}": np.array([ratio], np.float32)
                for name, ratio in self.latency.items()
            },
        }
        if labels is not None:
            tensors["clean.correct_undefended"] = (undefended == labels).astype(np.uint8)
            tensors["clean.correct_purified"] = (purified == labels).astype(np.uint8)
        return tensors


def measure_latency(classifier: DefendedClassifier, highest_id: int) -> dict[str, float]:
    """Median ratios to the undefended graph, one row on one thread: ``unflagged``, ``flagged``."""
    manifest = classifier.manifest
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "undefended.onnx"
        write_undefended(classifier.bundle, path)
        plain = create_session(path, provider="cpu", threads=1)
    defended = create_session(classifier.bundle.model_path, provider="cpu", threads=1)
    length = min(LATENCY_TOKENS, manifest.max_length)
    feed = _random_rows(manifest.inputs, batch=1, length=length, highest_id=highest_id, seed=0)

    runs = {"undefended": partial(plain.run, None, feed)}
    for name, threshold in {"unflagged": np.inf, "flagged": -np.inf}.items():
        given = {**feed, THRESHOLD: np.array([threshold], np.float32)}
        runs[name] = partial(defended.run, None, given)
    seconds = seconds_in_turn(runs, rounds=LATENCY_ROUNDS, settling_s=0)
    return {
        name: median_ratio(seconds[name], seconds["undefended"])
        for name in ("unflagged", "flagged")
    }


def _random_rows(
    inputs: tuple[str, ...], *, batch: int, length: int, highest_id: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """Random token ids of exactly one length, int64 ``[batch, length]`` for every input."""
    shape = (batch, length)
    ids = np.random.default_rng(seed).integers(1, highest_id, shape, dtype=np.int64)
    fixed = {
        "attention_mask": np.ones(shape, np.int64),
        "token_type_ids": np.zeros(shape, np.int64),
    }
    return {name: ids if name == "input_ids" else fixed[name] for name in inputs}
