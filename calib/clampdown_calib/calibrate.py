"""Fits readout, detector and, where it clips, intervals on a few hundred clean rows."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from clampdown_calib.activations import ActivationSource, real_tokens, run_clean_rows
from clampdown_calib.architectures import Representation
from clampdown_calib.artefact import (
    Calibration,
    CalibrationFacts,
    PurificationMethod,
    save_calibration,
)
from clampdown_calib.clean_rows import EncodedRows, encode_rows, read_clean_rows
from clampdown_calib.detectors import DETECTORS, Representations
from clampdown_calib.detectors.mahalanobis import NOISE
from clampdown_calib.intervals import Intervals
from clampdown_calib.layer_votes import LayerVotes
from clampdown_calib.model_folder import open_model
from clampdown_calib.onnx_classifier import OnnxClassifier
from clampdown_calib.onnx_graph import read_onnx_graph
from clampdown_calib.purification import FAST, PUBLISHED, CleanBatch, kept_share, published_start
from clampdown_calib.token_sample import TokenSample
from clampdown_calib.tokenization import load_tokenization
from clampdown_calib.torch_classifier import TorchClassifier
from clampdown_calib.words import word_directions
from clampdown_runtime.errors import CalibrationError
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.staging import require_free

START_QUANTILE = 0.01
"""`clip` starts at this and the opposite quantile of every neuron's clean tokens."""

SAMPLE_BYTES = 256 * 2**20
"""Memory for the sample of tokens from which quantiles are taken."""


def calibrate(
    model: str | Path,
    clean: str | Path,
    out: str | Path,
    *,
    layers: Sequence[str] | None = None,
    representation: Representation | None = None,
    detector: str = "fusion",
    purification: PurificationMethod = "votes",
    frr: float = 0.1,
    epochs: int | None = None,
    seed: int = 0,
    allow_pickle: bool = False,
    progress: Progress = silent,
) -> Calibration:
    """Fit on clean rows and write the calibration folder.

    All rows fit readout, detector and votes; :func:`clampdown_exporter.export` sets the threshold
    on the graph that it writes, each row held out of one of several fits. Intervals take too long
    to be optimised so often: where they purify, half of the rows fit everything and the other half
    is kept for the threshold. The same rows, options and seed give the same calibration.

    Args:
        model: a Hugging Face folder, a hub id, or a folder with an ONNX classifier.
        clean: CSV, JSONL or Parquet with ``text`` and optionally ``label``.
        out: the folder to write.
        layers: the layers to defend, see :class:`TorchClassifier`; None for every block.
        representation: the token that the detector reads; None for the architecture's own.
        detector: ``fusion``, ``mahalanobis`` or ``nas``.
        purification: ``votes`` takes a purified prediction from the inner layers; ``clip``
            and ``published`` take it from a run whose activations are clipped into intervals,
            which are optimised and need gradients.
        frr: false rejection rate, 0 to 1.
        epochs: passes of the intervals' optimisation; None for the method's own.
        seed: of the split in halves and of the order of batches, where intervals are optimised; at
            least 0. Votes are fitted without it.
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
    _require_options(detector, purification, frr, epochs, seed)
    clean, out = Path(clean), Path(out)
    require_free(out)
    folder = open_model(model, allow_pickle=allow_pickle)
    if folder.kind == "onnx" and purification != "votes":
        raise CalibrationError(
            f"The intervals of {model}",
            found="an ONNX graph, which has no gradients to optimise intervals with",
            expected=f"the Hugging Face checkpoint for --purification {purification}",
            do="Pass the checkpoint, or leave --purification out.",
        )
    tokenization = load_tokenization(folder)
    halves = purification != "votes"
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
    readout, samples = run.fit_readout()
    _require_varying(source, samples)
    fitted_detector = DETECTORS[detector].fit(samples)
    progress("Fitting the detector", 1, 1)
    purifier: LayerVotes | Intervals
    kept, done = None, 0
    if torch_classifier is None or purification == "votes":
        purifier = run.fit_votes(word_directions(source, fit, len(folder.labels)))
    else:
        purifier, kept, done = _optimise(
            torch_classifier,
            fit,
            purification,
            _quantile_intervals(source, fit, START_QUANTILE, seed),
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
            detector=detector,
            purification=purification,
            epochs=done,
            frr=frr,
            seed=seed,
            fit_rows=len(fit.ids),
            held_out_rows=sum(row.part != "fit" for row in rows),
            kept=kept,
        ),
        readout,
        purifier,
        fitted_detector,
        rows,
    )
    save_calibration(calibration, out)
    return calibration


def _require_options(
    detector: str, purification: PurificationMethod, frr: float, epochs: int | None, seed: int
) -> None:
    methods = get_args(PurificationMethod)
    wrong = None
    if detector not in DETECTORS:
        wrong = ("The detector", repr(detector), f"one of {', '.join(DETECTORS)}")
    elif purification not in methods:
        wrong = ("The purification", repr(purification), f"one of {', '.join(methods)}")
    elif not 0 < frr < 1:
        wrong = ("The false rejection rate", f"{frr:g}", "a share between 0 and 1, such as 0.1")
    elif epochs is not None and epochs < 1:
        wrong = ("The epochs", str(epochs), "at least 1")
    elif epochs is not None and purification == "votes":
        wrong = ("The epochs", str(epochs), "none: `votes` is fitted in closed form")
    elif seed < 0:
        wrong = ("The seed", str(seed), "at least 0")
    if wrong is not None:
        thing, found, expected = wrong
        raise CalibrationError(thing, found=found, expected=expected, do="Correct the option.")


def _require_varying(source: ActivationSource, samples: Representations) -> None:
    """Refuse a token that tells no row from another, such as a decoder's first."""
    hidden = samples.hidden
    if np.ptp(hidden, axis=0).max() <= NOISE * np.abs(hidden).max():
        raise CalibrationError(
            f"The {source.representation} token",
            found="the same activations in every clean row",
            expected="a token whose activations depend on the text",
            do="Pass --representation last for a model that reads from left to right, and rows "
            "that differ.",
        )


def _quantile_intervals(
    source: ActivationSource, rows: EncodedRows, quantile: float, seed: int
) -> Intervals:
    """From one pass over the tokens that are not padding."""
    passes = real_tokens(source, rows)
    first = next(passes)
    _, layers, width = first.shape
    capacity = max(SAMPLE_BYTES // (4 * layers * width), 1000)
    sample = TokenSample(layers, width, capacity=capacity, seed=seed)
    for tokens in itertools.chain([first], passes):
        sample.add(tokens)
    return Intervals(*sample.quantiles(quantile, 1 - quantile))


def _optimise(
    classifier: TorchClassifier,
    rows: EncodedRows,
    method: PurificationMethod,
    quantiles: Intervals,
    *,
    epochs: int | None,
    seed: int,
    progress: Progress,
) -> tuple[Intervals, float, int]:
    """The optimised intervals, the share of predictions that they keep, and the epochs run."""
    optimiser, start = FAST, quantiles
    if method == "published":
        optimiser, start = PUBLISHED, published_start(quantiles)
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
