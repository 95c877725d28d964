"""Holds the exported graph against the model that it was made from."""

import dataclasses
import math
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.calibration import Calibration
from clampdown_calib.detectors import ExcessDetector
from clampdown_calib.difference import largest_difference
from clampdown_calib.models.activations import ActivationSource, Inputs
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.rows.clean_rows import EncodedRows
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_runtime.bundle.manifest import Precision
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import ExportError

TOLERANCES: dict[Precision, float] = {
    "fp32": 1e-3,
    "fp16": 3e-2,
    "int8": 1e-1,
    "cuda-fp32": 1e-3,
    "cuda-fp16": 3e-2,
}
"""Of a logit or score, relative to the larger of it and 1. Float32 kernels stay far below; where
activations are rounded, another order of a sum can round one of them to its other neighbour, and
in half precision the sums over the tokens are rounded themselves."""

AGREEING: dict[Precision, float] = dict.fromkeys(get_args(Precision), 1.0) | {"int8": 0.9}
"""Share of the comparisons that has to hold the tolerance. In int8 a row is a batch of its own, and
the kernels of a second pass round single rows otherwise by any amount, most not at all. What is
finite on one side only is never let pass."""

Batch = tuple[list[int], Inputs]

BATCHES, BATCH_SIZE = 8, 8
"""Held-out rows that are compared: so many batches, from the shortest rows to the longest."""


def disagreement(
    classifier: DefendedClassifier,
    reference: ActivationSource,
    calibration: Calibration,
    rows: EncodedRows,
    *,
    clipped: ActivationSource | None,
) -> float:
    """Compare logits, purified logits and scores on clean rows.

    Args:
        classifier: of the exported graph.
        reference: the undefended model.
        calibration: what is in the graph.
        rows: clean rows.
        clipped: the undefended model with its layers clipped into the intervals; None where nothing
            is clipped or torch can do it.

    Returns:
        The largest difference, relative to the larger of the value and 1; in int8 the one that nine
        comparisons in ten do not exceed.

    Raises:
        ExportError: it exceeds the tolerance, or a value is finite on one side only.
    """
    mode, intervals = classifier.manifest.mode, calibration.intervals
    detector, answer = calibration.reading(mode).detector, calibration.answer
    differences: list[float] = []
    rows = dataclasses.replace(rows, batch_size=min(rows.batch_size, BATCH_SIZE))
    for numbers, inputs in _spread(list(rows.batches()), BATCHES * BATCH_SIZE // rows.batch_size):
        ids = [rows.ids[number] for number in numbers]
        types = rows.types and [rows.types[number] for number in numbers]
        plain = classifier.run_ids(ids, type_ids=types, threshold=np.inf)
        flagged = classifier.run_ids(ids, type_ids=types, threshold=-np.inf)
        run = reference.activations(inputs)
        purified: NDArray[np.float32] | None = None
        if intervals is not None and mode != "detect":
            if isinstance(reference, TorchClassifier):
                within = reference.activations(inputs, clip=intervals.bounds)
            elif clipped is not None:
                within = clipped.activations(inputs)
            else:
                raise ValueError("there is nothing to hold clipped runs against")
            purified = within.logits
            run = within if mode == "purify" else run
        seen = CleanRun.of_batch(run, inputs["attention_mask"], reference.representation)
        scores = detector.score(seen)
        if answer is not None and isinstance(detector, ExcessDetector) and mode != "detect":
            probes = detector.probes.logits(seen.pooled)
            excess = detector.excess(run.logits, probes)
            purified = answer.logits(probes, excess, run.logits)
        if mode != "purify":
            differences.append(largest_difference(plain.logits, run.logits))
        if purified is not None:
            differences.append(largest_difference(flagged.logits, purified))
        if flagged.undefended_logits is not None:
            differences.append(largest_difference(flagged.undefended_logits, run.logits))
        differences.append(largest_difference(plain.anomaly_score, scores))
    precision = classifier.manifest.precision
    tolerance = TOLERANCES[precision]
    largest = max(differences)
    if math.isfinite(largest):
        largest = float(np.quantile(differences, AGREEING[precision], method="higher"))
    if not largest <= tolerance:
        raise ExportError(
            "The exported graph",
            found=f"results that differ from the model's by {largest:.2g}",
            expected=f"at most {tolerance:g} of the value",
            hint="No bundle was written. Try the other --exporter, or report the architecture.",
        )
    return largest


def _spread(batches: list[Batch], count: int) -> list[Batch]:
    chosen = np.unique(np.linspace(0, len(batches) - 1, count).round().astype(int))
    return [batches[index] for index in chosen]
