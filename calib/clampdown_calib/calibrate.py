"""Fits a detector and, with the published method, intervals on a few hundred clean rows."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from clampdown_calib.activations import ActivationSource, CleanRun, run_clean_rows
from clampdown_calib.architectures import Representation
from clampdown_calib.artefact import (
    Calibration,
    CalibrationFacts,
    Method,
    save_calibration,
)
from clampdown_calib.clean_rows import EncodedRows, encode_rows, read_clean_rows
from clampdown_calib.detectors import Detector, ExcessDetector, NasDetector
from clampdown_calib.intervals import Intervals
from clampdown_calib.model_folder import open_model
from clampdown_calib.onnx_classifier import OnnxClassifier
from clampdown_calib.onnx_graph import read_onnx_graph
from clampdown_calib.purification import CleanBatch, Optimiser, kept_share, published_start
from clampdown_calib.tokenization import load_tokenization
from clampdown_calib.torch_classifier import TorchClassifier
from clampdown_runtime.errors import CalibrationError
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.staging import require_free

NOISE = 1e-5
"""Activations that vary less than this share of their size vary by rounding only."""


def calibrate(
    model: str | Path,
    clean: str | Path,
    out: str | Path,
    *,
    layers: Sequence[str] | None = None,
    representation: Representation | None = None,
    method: Method = "probe",
    frr: float = 0.1,
    epochs: int | None = None,
    seed: int = 0,
    allow_pickle: bool = False,
    progress: Progress = silent,
) -> Calibration:
    """Fit on clean rows and write the calibration folder.

    All rows fit the probes; :func:`clampdown_exporter.export` sets the threshold on the graph that
    it writes, each row held out of one of several fits. The published method's intervals take too
    long to be optimised so often: half of the rows fit everything and the other half is kept for
    the threshold. The same rows, options and seed give the same calibration.

    Args:
        model: a Hugging Face folder, a hub id, or a folder with an ONNX classifier.
        clean: CSV, JSONL or Parquet with ``text`` and optionally ``label``.
        out: the folder to write.
        layers: the layers to defend, see :class:`TorchClassifier`; None for every block.
        representation: the token that the published detector reads; None for the architecture's
            own.
        method: ``probe`` holds the model's answer against what its earlier layers say; ``badacts``
            is the published method, whose intervals are optimised and need gradients.
        frr: false rejection rate, 0 to 1.
        epochs: passes of the intervals' optimisation; None for the method's own.
        seed: of the published method's split in halves and order of batches; at least 0. Probes
            are fitted without it.
        allow_pickle: accept a pickled checkpoint, loaded with ``weights_only``.
        progress: called as the work goes on.

    Raises:
        ModelError: the model cannot be used.
        UnsupportedArchitectureError: its layers are not known.
        RowsError: the rows cannot be used.
        CalibrationError: an option is out of its range, the rows are too few, or the method needs
            gradients and there are none.
        DestinationError: ``out`` cannot be written.
    """
    _require_options(method, frr, epochs, seed)
    clean, out = Path(clean), Path(out)
    require_free(out)
    folder = open_model(model, allow_pickle=allow_pickle)
    halves = method == "badacts"
    if folder.kind == "onnx" and halves:
        raise CalibrationError(
            f"The intervals of {model}",
            found="an ONNX graph, which has no gradients to optimise intervals with",
            expected="the Hugging Face checkpoint for --method badacts",
            do="Pass the checkpoint, or leave --method out.",
        )
    tokenization = load_tokenization(folder)
    rows = read_clean_rows(clean, folder.labels, frr=frr, halves=halves, seed=seed)
    progress("Loading the model", 0, 1)
    torch_classifier: TorchClassifier | None = None
    source: ActivationSource
    if folder.kind == "checkpoint":
        source = torch_classifier = TorchClassifier.load(
            folder, tokenization.inputs, layers=layers, representation=representation
        )
        inputs = torch_classifier.inputs
    else:
        graph = read_onnx_graph(folder, layers=layers, representation=representation)
        source, inputs = OnnxClassifier(graph), graph.inputs
    progress("Loading the model", 1, 1)

    tokenization = dataclasses.replace(tokenization, inputs=inputs)
    fit = encode_rows(rows, "fit", tokenization)
    progress("Fitting the detector", 0, 1)
    run = run_clean_rows(source, fit)
    detector: type[Detector] = NasDetector if halves else ExcessDetector
    _require_varying(source, run, detector)
    fitted_detector = detector.fit(run)
    progress("Fitting the detector", 1, 1)
    intervals, kept, done = None, None, 0
    if torch_classifier is not None and halves:
        intervals, kept, done = _optimise(
            torch_classifier,
            fit,
            published_start(*run.hidden.shape[1:]),
            epochs=epochs,
            seed=seed,
            progress=progress,
        )
    calibration = Calibration(
        CalibrationFacts(
            model_digest=folder.digest(),
            model_name=folder.name,
            model_type=folder.model_type,
            labels=folder.labels,
            layers=source.layer_names,
            representation=source.representation,
            method=method,
            epochs=done,
            frr=frr,
            seed=seed,
            fit_rows=len(fit.ids),
            held_out_rows=sum(row.part != "fit" for row in rows),
            kept=kept,
        ),
        fitted_detector,
        intervals,
        rows,
    )
    save_calibration(calibration, out)
    return calibration


def _require_options(method: Method, frr: float, epochs: int | None, seed: int) -> None:
    methods = get_args(Method)
    wrong = None
    if method not in methods:
        wrong = ("The method", repr(method), f"one of {', '.join(methods)}")
    elif not 0 < frr < 1:
        wrong = ("The false rejection rate", f"{frr:g}", "a share between 0 and 1, such as 0.1")
    elif epochs is not None and epochs < 1:
        wrong = ("The epochs", str(epochs), "at least 1")
    elif epochs is not None and method == "probe":
        wrong = ("The epochs", str(epochs), "none: probes are fitted in closed form")
    elif seed < 0:
        wrong = ("The seed", str(seed), "at least 0")
    if wrong is not None:
        thing, found, expected = wrong
        raise CalibrationError(thing, found=found, expected=expected, do="Correct the option.")


def _require_varying(source: ActivationSource, run: CleanRun, detector: type[Detector]) -> None:
    """Refuse tokens that tell no row from another, such as a decoder's first."""
    read = run.hidden if detector.reads == "tokens" else run.pooled
    if np.ptp(read, axis=0).max() <= NOISE * np.abs(read).max():
        what = f"{source.representation} token" if read is run.hidden else "mean of the tokens"
        raise CalibrationError(
            f"The {what}",
            found="the same activations in every clean row",
            expected="activations that depend on the text",
            do="Pass rows that differ and, with --method badacts, --representation last for a "
            "model that reads from left to right.",
        )


def _optimise(
    classifier: TorchClassifier,
    rows: EncodedRows,
    start: Intervals,
    *,
    epochs: int | None,
    seed: int,
    progress: Progress,
) -> tuple[Intervals, float, int]:
    """The optimised intervals, the share of predictions that they keep, and the epochs run."""
    optimiser = Optimiser()
    if epochs is not None:
        optimiser = dataclasses.replace(optimiser, epochs=epochs)
    batches = list(_right_batches(classifier, rows))
    if not batches:
        raise CalibrationError(
            "The clean rows",
            found="none that the model gets right",
            expected="rows of the model's own task with correct labels",
            do="Check that the labels are in the order of the model's id2label.",
        )
    fitted = optimiser.fit(
        classifier,
        batches,
        start,
        seed=seed,
        report=lambda done, total: progress("Fitting the intervals", done, total),
    )
    return fitted, kept_share(classifier, batches, fitted), optimiser.epochs


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
