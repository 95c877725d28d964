"""Holds the exported graph against the model that it was made from."""

import math

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.activations import ActivationSource, Inputs, token_positions
from clampdown_calib.artefact import Calibration
from clampdown_calib.clean_rows import EncodedRows
from clampdown_calib.detectors import Detector, Representations
from clampdown_calib.torch_classifier import TorchClassifier
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import ExportError

TOLERANCE = 1e-3
"""Of a logit or score, relative to the larger of it and 1. Float32 kernels stay far below."""

Batch = tuple[list[int], Inputs]

BATCHES = 4
"""Batches of held-out rows that are compared, from the shortest to the longest."""


def largest_difference(
    classifier: DefendedClassifier,
    reference: ActivationSource,
    calibration: Calibration,
    detector: Detector,
    rows: EncodedRows,
) -> float:
    """Compare logits, purified logits and scores on clean rows.

    In torch the clipped run is compared too; an ONNX reference has none of its own.

    Returns:
        The largest difference, relative to the larger of the value and 1.

    Raises:
        ExportError: it exceeds the tolerance, or a value is finite on one side only.
    """
    mode = classifier.manifest.mode
    largest = 0.0
    for numbers, inputs in _spread(list(rows.batches())):
        ids = [rows.ids[number] for number in numbers]
        plain = classifier.run_ids(ids, threshold=np.inf)
        if mode != "purify":
            run = reference.activations(inputs)
            largest = max(largest, _difference(plain.logits, run.logits))
        if mode != "detect" and isinstance(reference, TorchClassifier):
            clipped = reference.activations(inputs, clip=calibration.intervals)
            purified = classifier.run_ids(ids, threshold=-np.inf)
            largest = max(largest, _difference(purified.logits, clipped.logits))
            run = clipped if mode == "purify" else run
        elif mode == "purify":
            continue
        token = token_positions(inputs["attention_mask"], reference.representation)
        hidden = np.stack([layer[np.arange(len(token)), token] for layer in run.hidden], axis=1)
        score = detector.score(Representations(hidden, run.logits))
        largest = max(largest, _difference(plain.anomaly_score, score))
    if not largest <= TOLERANCE:
        raise ExportError(
            "The exported graph",
            found=f"results that differ from the model's by {largest:.2g}",
            expected=f"at most {TOLERANCE:g} of the value",
            do="No bundle was written. Try the other --exporter, or report the architecture.",
        )
    return largest


def _spread(batches: list[Batch]) -> list[Batch]:
    chosen = np.unique(np.linspace(0, len(batches) - 1, BATCHES).round().astype(int))
    return [batches[index] for index in chosen]


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The largest; infinite where one side alone is not a finite number."""
    usable = np.isfinite(found), np.isfinite(expected)
    if (usable[0] != usable[1]).any():
        return math.inf
    found, expected = found[usable[0]], expected[usable[1]]
    return float(np.max(np.abs(found - expected) / np.maximum(np.abs(expected), 1), initial=0))
