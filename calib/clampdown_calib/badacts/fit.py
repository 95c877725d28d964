"""The published method's fit: neuron states, and intervals by gradient."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from clampdown_calib.badacts.insert_clips import InsertClips
from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.badacts.optimiser import CleanBatch, Optimiser, kept_share, published_start
from clampdown_calib.graphs.tracing.traced_model import TracedModel
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.options import FitOptions
from clampdown_calib.rows.clean_rows import EncodedRows
from clampdown_calib.rows.clean_run import CleanRun, run_clean_rows
from clampdown_runtime.errors import CalibrationError
from clampdown_runtime.progress import Progress


@dataclass(frozen=True, slots=True)
class PublishedFit:
    """What the published method fits, and the run that is clipped.

    Attributes:
        intervals: optimised.
        kept: share of the fit rows' predictions that survive the clipping, 0 to 1.
        epochs: passes of the optimisation.
        fit_run: the fit rows' run with every layer clipped, read before its own clip.
        held_out_run: the held-out rows'.
    """

    intervals: Intervals
    kept: float
    epochs: int
    fit_run: CleanRun
    held_out_run: CleanRun


def fit_intervals(
    traced: TracedModel,
    fit: EncodedRows,
    held_out: EncodedRows,
    *,
    shape: tuple[int, int],
    options: FitOptions,
    progress: Progress,
) -> PublishedFit:
    """Optimise the intervals on the checkpoint, and run the rows through the clipped graph.

    Args:
        traced: the model.
        fit: rows that the intervals are fitted on.
        held_out: rows that only run.
        shape: of the intervals, layers and neurons.
        options: epochs and seed.
        progress: called after every epoch.

    Raises:
        CalibrationError: the model gets none of the rows right.
    """
    classifier = traced.torch
    if classifier is None:
        raise ValueError("an ONNX file has no gradients")
    optimiser = Optimiser()
    if options.epochs is not None:
        optimiser = dataclasses.replace(optimiser, epochs=options.epochs)
    batches = list(_right_batches(classifier, fit))
    if not batches:
        raise CalibrationError(
            "The clean rows",
            found="none that the model gets right",
            expected="rows of the model's own task with correct labels",
            hint="Check that the labels are in the order of the model's id2label.",
        )
    intervals = optimiser.fit(
        classifier,
        batches,
        published_start(*shape),
        seed=options.seed,
        report=lambda done, total: progress("Fitting the intervals", done, total),
    )
    kept = kept_share(classifier, batches, intervals)
    source = traced.source(InsertClips(intervals))
    runs = (run_clean_rows(source, rows) for rows in (fit, held_out))
    return PublishedFit(intervals, kept, optimiser.epochs, *runs)


def _right_batches(classifier: TorchClassifier, rows: EncodedRows) -> Iterator[CleanBatch]:
    """The rows that the model gets right; without labels, all of them."""
    for numbers, arrays in rows.batches():
        inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        with torch.no_grad():
            logits = classifier.logits(inputs)
        right = torch.ones(len(logits), dtype=torch.bool)
        if rows.labels is not None:
            right = logits.argmax(1) == torch.from_numpy(rows.labels[numbers])
        if right.any():
            yield CleanBatch({name: t[right] for name, t in inputs.items()}, logits[right])
