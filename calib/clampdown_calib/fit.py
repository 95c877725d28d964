"""Fits a defence on the graph that is deployed, and finds that graph again."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clampdown_calib.artefact import load_calibration
from clampdown_calib.badacts.fit import fit_intervals
from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.calibration import Calibration, CalibrationFacts, Reading
from clampdown_calib.detectors import Detector, ExcessDetector
from clampdown_calib.graphs.lowering.fusion import fuse
from clampdown_calib.graphs.lowering.precision import lower
from clampdown_calib.graphs.tracing.traced_model import TracedModel, trace_model
from clampdown_calib.models.configuration import SIGMOIDS
from clampdown_calib.models.model_folder import ModelFolder, open_model
from clampdown_calib.models.tokenizer.tokenization import Tokenization, load_tokenization
from clampdown_calib.options import FitOptions
from clampdown_calib.problems import ANSWERS, EXCESS
from clampdown_calib.rows.clean_rows import (
    CleanRow,
    EncodedRows,
    Use,
    are_pairs,
    encode_rows,
    read_clean_rows,
)
from clampdown_calib.rows.clean_run import CleanRun, run_clean_rows
from clampdown_calib.threshold import threshold_at
from clampdown_runtime.bundle.manifest import ROWS_ALONE
from clampdown_runtime.errors import CalibrationError
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT, RowFormat
from clampdown_runtime.sessions.providers import Provider, prepare_provider

NOISE = 1e-5
"""Activations that vary less than this share of their size vary by rounding only."""


@dataclass(frozen=True, slots=True)
class FittedModel:
    """A calibration beside the very graph that it was fitted on.

    Attributes:
        folder: the model's.
        tokenization: with the graph's inputs.
        traced: the graph, lowered to the calibration's precision.
        calibration: of that graph.
    """

    folder: ModelFolder
    tokenization: Tokenization
    traced: TracedModel
    calibration: Calibration

    def rows(self, use: Use) -> EncodedRows:
        """The rows that fit the defence or set the threshold, as the graph has to run them."""
        return _encoded(self.calibration.rows, use, self.tokenization, self.calibration.facts)


def fit(
    model: str | Path,
    clean: Path,
    options: FitOptions,
    *,
    row_format: RowFormat = DEFAULT_FORMAT,
    allow_pickle: bool = False,
    progress: Progress = silent,
) -> FittedModel:
    """Trace the model, lower it, run the clean rows through that graph, and fit.

    Args:
        model: a Hugging Face folder, a hub id, or a folder with an ONNX classifier or an adapter of
            LoRA.
        clean: rows with texts and, if known, labels, see :func:`clampdown_runtime.read_rows`.
        options: of the fit.
        row_format: the columns of ``clean``.
        allow_pickle: accept a pickled checkpoint, loaded with ``weights_only``.
        progress: called as the work goes on.

    Raises:
        ModelError: the model cannot be used.
        UnsupportedArchitectureError: its layers are not known.
        RowsError: the rows cannot be used.
        CalibrationError: the rows are too few, or the method needs gradients and there are none.
        ExportError: the model cannot be traced or lowered.
        ProviderError: the provider is not usable.
    """
    # Before the trace, which takes longer.
    prepare_provider(options.provider)
    folder = open_model(model, allow_pickle=allow_pickle)
    halves = options.method == "badacts"
    if folder.kind == "onnx" and halves:
        raise CalibrationError(
            f"The intervals of {model}",
            found="an ONNX graph, which has no gradients to optimise intervals with",
            expected="the Hugging Face checkpoint for --method badacts",
            hint="Pass the checkpoint, or leave --method out.",
        )
    if halves and folder.problem_type == SIGMOIDS:
        raise CalibrationError(
            f"The problem_type of {model}",
            found=SIGMOIDS,
            expected="a model that chooses one class for --method badacts, whose intervals are "
            "made to keep that choice",
            hint="Leave --method out.",
        )
    rows = read_clean_rows(
        clean,
        folder.labels,
        row_format,
        frr=options.frr,
        halves=halves,
        seed=options.seed,
        problem_type=folder.problem_type,
    )
    tokenization = load_tokenization(folder, text_pair=are_pairs(rows))
    traced = _graph(folder, tokenization, options, progress)
    tokenization = dataclasses.replace(tokenization, inputs=traced.inputs)
    facts = CalibrationFacts(
        model_digest=folder.digest(),
        model_name=folder.name,
        model_type=folder.model_type,
        graph_digest=traced.digest(),
        precision=options.precision,
        exporter=options.exporter,
        labels=folder.labels,
        problem_type=folder.problem_type,
        layers=traced.layer_names,
        representation=traced.representation,
        method=options.method,
        epochs=0,
        frr=options.frr,
        seed=options.seed,
        fit_rows=sum(row.part != "held-out" for row in rows),
        held_out_rows=sum(row.part != "fit" for row in rows),
        kept=None,
    )
    progress("Fitting the detector", 0, 1)
    if halves:
        calibration = _fit_published(
            traced, tokenization, rows, facts=facts, options=options, progress=progress
        )
    else:
        calibration = _fit_probes(traced, tokenization, rows, facts, options.provider)
    progress("Fitting the detector", 1, 1)
    return FittedModel(folder, tokenization, traced, calibration)


def find_graph(
    model: str | Path,
    calibration: Path,
    *,
    allow_pickle: bool = False,
    progress: Progress = silent,
) -> FittedModel:
    """Read a calibration, and trace its model to the graph that it was fitted on.

    Raises:
        ModelError: the model cannot be used.
        CalibrationError: the calibration is unusable, or of another model or graph.
        ExportError: the model cannot be traced or lowered.
    """
    fitted = load_calibration(calibration)
    facts = fitted.facts
    folder = open_model(model, allow_pickle=allow_pickle)
    digest = folder.digest()
    if digest != facts.model_digest:
        raise CalibrationError(
            f"The calibration of {facts.model_name!r}",
            found=f"a model with the digest {digest}",
            expected=f"the model that it was fitted on, {facts.model_digest}",
            hint="Calibrate this model; what was fitted on another one protects nothing.",
        )
    tokenization = load_tokenization(folder, text_pair=are_pairs(fitted.rows))
    options = FitOptions(
        layers=facts.layers,
        representation=facts.representation,
        precision=facts.precision,
        exporter=facts.exporter,
    )
    traced = _graph(folder, tokenization, options, progress)
    if (digest := traced.digest()) != facts.graph_digest:
        raise CalibrationError(
            f"The graph of {facts.model_name!r}",
            found=f"the digest {digest}",
            expected=f"the graph that the calibration was fitted on, {facts.graph_digest}",
            hint="Calibrate again: another release of a package traces this model differently.",
        )
    tokenization = dataclasses.replace(tokenization, inputs=traced.inputs)
    return FittedModel(folder, tokenization, traced, fitted)


def _graph(
    folder: ModelFolder, tokenization: Tokenization, options: FitOptions, progress: Progress
) -> TracedModel:
    progress("Tracing the model", 0, 1)
    traced = trace_model(folder, tokenization, options)
    if options.precision.startswith("cuda-"):
        traced = fuse(traced, tokenization)
    traced = lower(traced, options.precision)
    progress("Tracing the model", 1, 1)
    return traced


def _encoded(
    rows: tuple[CleanRow, ...], use: Use, tokenization: Tokenization, facts: CalibrationFacts
) -> EncodedRows:
    encoded = encode_rows(rows, use, tokenization)
    alone = facts.precision in ROWS_ALONE
    return dataclasses.replace(encoded, batch_size=1) if alone else encoded


def _fit_probes(
    traced: TracedModel,
    tokenization: Tokenization,
    rows: tuple[CleanRow, ...],
    facts: CalibrationFacts,
    provider: Provider,
) -> Calibration:
    source = traced.source(provider=provider)
    run = run_clean_rows(source, _encoded(rows, "fit", tokenization, facts))
    _require_varying(traced, run, ExcessDetector)
    detector, unseen = EXCESS[facts.problem_type].cross_fit(run)
    answer = ANSWERS[facts.problem_type].fit(run, unseen, threshold_at(unseen.scores, facts.frr))
    return Calibration(
        facts,
        Reading(detector, detector.score(run), unseen.scores),
        None,
        answer,
        None,
        run.logits,
        answer.logits(unseen.probes, unseen.excess, run.logits),
        rows,
    )


def _fit_published(
    traced: TracedModel,
    tokenization: Tokenization,
    rows: tuple[CleanRow, ...],
    *,
    facts: CalibrationFacts,
    options: FitOptions,
    progress: Progress,
) -> Calibration:
    fit_rows, held_out_rows = (
        _encoded(rows, use, tokenization, facts) for use in ("fit", "held-out")
    )
    source = traced.source(provider=options.provider)
    fit_run, held_out_run = (run_clean_rows(source, part) for part in (fit_rows, held_out_rows))
    _require_varying(traced, fit_run, NasDetector)
    layers, width = fit_run.hidden.shape[1:]
    found = fit_intervals(
        traced,
        fit_rows,
        held_out_rows,
        shape=(layers, width),
        options=options,
        progress=progress,
    )
    return Calibration(
        dataclasses.replace(facts, epochs=found.epochs, kept=found.kept),
        _states(fit_run, held_out_run),
        _states(found.fit_run, found.held_out_run),
        None,
        found.intervals,
        held_out_run.logits,
        found.held_out_run.logits,
        rows,
    )


def _states(fit_run: CleanRun, held_out_run: CleanRun) -> Reading:
    detector = NasDetector.fit(fit_run)
    return Reading(detector, detector.score(fit_run), detector.score(held_out_run))


def _require_varying(traced: TracedModel, run: CleanRun, detector: type[Detector]) -> None:
    """Refuse tokens that tell no row from another, such as a decoder's first."""
    read = run.hidden if detector.reads == "tokens" else run.pooled
    if np.ptp(read, axis=0).max() <= NOISE * np.abs(read).max():
        what = f"{traced.representation} token" if read is run.hidden else "mean of the tokens"
        raise CalibrationError(
            f"The {what}",
            found="the same activations in every clean row",
            expected="activations that depend on the text",
            hint="Pass rows that differ and, with --method badacts, --representation last for a "
            "model that reads from left to right.",
        )
