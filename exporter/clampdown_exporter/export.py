"""Rewrites a calibrated model into a bundle that defends itself."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from clampdown_calib.activations import run_clean_rows
from clampdown_calib.answer import Answer
from clampdown_calib.artefact import Calibration, load_calibration
from clampdown_calib.clean_rows import encode_rows
from clampdown_calib.detectors import ExcessDetector
from clampdown_calib.intervals import Intervals
from clampdown_calib.model_folder import ModelFolder, open_model
from clampdown_calib.threshold import rejected_share, threshold_at
from clampdown_calib.tokenization import load_tokenization
from clampdown_exporter.agreement import largest_difference
from clampdown_exporter.bundle_draft import (
    copy_model_files,
    draft_manifest,
    open_draft,
    write_graph,
    write_measured,
)
from clampdown_exporter.clean_measurements import CleanMeasurements, measure_latency
from clampdown_exporter.defended_model import trace_model
from clampdown_exporter.optimum_trace import require_optimum
from clampdown_exporter.passes.pipeline import Mode, passes_of, rewrite
from clampdown_exporter.precision import lower
from clampdown_exporter.refit import refit
from clampdown_exporter.with_tokenizer import extensions_library
from clampdown_runtime.errors import CalibrationError, ExportError
from clampdown_runtime.manifest import ROWS_ALONE, Manifest, Precision
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.staging import staged_folder

FileFormat = Literal["onnx", "ort"]
STAGE, STEPS = "Exporting", 5


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export made.

    Attributes:
        bundle: the folder.
        manifest: its manifest.
        largest_difference: largest difference of a logit or score between the graph and the model
            that it was made from, in fp16 and int8 the lowered model, over clean rows, relative to
            the larger of the value and 1; in int8 of nine comparisons in ten.
    """

    bundle: Path
    manifest: Manifest
    largest_difference: float

    def summary(self) -> dict[str, object]:
        """The facts, for a report."""
        return {
            "bundle": str(self.bundle),
            "mode": self.manifest.mode,
            "precision": self.manifest.precision,
            "threshold": self.manifest.threshold,
            "frr": self.manifest.frr,
            "frr_measured": self.manifest.frr_measured,
            "largest_difference": self.largest_difference,
        }


def require_options(
    mode: str, precision: str, file_format: str, exporter: str, *, with_tokenizer: bool
) -> None:
    """Refuse options of :func:`export` that cannot work, before the minutes of a calibration.

    Raises:
        ExportError: one is unknown, or needs a package that is not installed.
    """
    for name, value, choices in (
        ("mode", mode, get_args(Mode)),
        ("precision", precision, get_args(Precision)),
        ("file format", file_format, get_args(FileFormat)),
        ("exporter", exporter, ("torch", "optimum")),
    ):
        if value not in choices:
            raise ExportError(
                f"The {name}",
                found=repr(value),
                expected=f"one of {', '.join(choices)}",
                do="Correct the option.",
            )
    if with_tokenizer:
        extensions_library()
    if exporter == "optimum":
        require_optimum()


def export(
    model: str | Path,
    calibration: str | Path,
    out: str | Path,
    *,
    mode: Mode = "detect-then-purify",
    precision: Precision = "fp32",
    file_format: FileFormat = "onnx",
    with_tokenizer: bool = False,
    exporter: Literal["torch", "optimum"] = "torch",
    allow_pickle: bool = False,
    progress: Progress = silent,
) -> ExportResult:
    """Write a bundle, whole or not at all.

    The threshold is set by running the exported graph itself on clean rows, each scored by what was
    fitted without it, and the graph is compared with the model on them: in fp16 and int8 with the
    lowered model, so that what lowering itself costs has to be measured with ``evaluate``.

    Args:
        model: the model that the calibration was fitted on.
        calibration: the folder that ``calibrate`` wrote.
        out: the bundle to write.
        mode: ``detect-then-purify``, ``purify`` or ``detect``.
        precision: ``fp32``, ``fp16`` or ``int8``. The last two fit the detector again on the
            lowered graph.
        file_format: ``ort`` writes the graph in ONNX Runtime's format, too, with the
            required-operators configuration of a minimal build.
        with_tokenizer: write the graph with the tokenizer in front, too, for stacks without a
            Hugging Face tokenizer.
        exporter: who traces a checkpoint.
        allow_pickle: accept a pickled checkpoint, loaded with ``weights_only``.
        progress: called as the work goes on.

    Raises:
        ModelError: the model cannot be used.
        CalibrationError: the calibration is unusable or of another model.
        ExportError: the model cannot be traced, rewritten or converted, the result disagrees
            with it, or the tokenizer cannot be written as a graph.
        DestinationError: ``out`` cannot be written.
    """
    require_options(mode, precision, file_format, exporter, with_tokenizer=with_tokenizer)
    calibration, out = Path(calibration), Path(out)
    fitted = load_calibration(calibration)
    folder = open_model(model, allow_pickle=allow_pickle)
    _require_same_model(folder, fitted)
    tokenization = load_tokenization(folder)

    with staged_folder(out) as place:
        progress(STAGE, 0, STEPS)
        traced = trace_model(folder, tokenization, fitted.facts, optimum=exporter == "optimum")
        traced = lower(traced, precision, fitted.facts)
        progress(STAGE, 1, STEPS)
        tokenization = dataclasses.replace(tokenization, inputs=traced.inputs)
        fit = encode_rows(fitted.rows, "fit", tokenization)
        held_out = encode_rows(fitted.rows, "held-out", tokenization)
        if precision in ROWS_ALONE:
            fit, held_out = (dataclasses.replace(r, batch_size=1) for r in (fit, held_out))
        clip = fitted.intervals if mode == "purify" else None
        if clip is not None or precision != "fp32":
            fitted = refit(traced, fitted, fit, clip=clip)
        run = run_clean_rows(traced.source(fitted.facts), held_out)
        clipped = None
        if precision != "fp32" and mode != "detect" and fitted.intervals is not None:
            clipped = traced.source(fitted.facts, clip=fitted.intervals)
        unseen, answer = None, None
        if isinstance(fitted.detector, ExcessDetector):
            _, unseen = fitted.detector.cross_fit(run)
            answer = Answer.fit(run, unseen, threshold_at(unseen.scores, fitted.facts.frr))
        purifier: Answer | Intervals | None = answer or fitted.intervals
        if purifier is None:
            raise ValueError("nothing answers a flagged row")
        rewrite(
            traced.graph,
            passes_of(mode, fitted.detector, purifier, fitted.facts.representation, threshold=0.0),
        )
        draft = draft_manifest(folder, tokenization, fitted, mode, precision)
        copy_model_files(place, folder, tokenization)
        write_graph(place, traced.graph, draft)
        classifier = open_draft(place, draft)
        progress(STAGE, 2, STEPS)
        if unseen is not None and answer is not None:
            scores = unseen.scores
            answers = answer.logits(unseen.probes, unseen.excess, run.logits)
        else:
            flagged = classifier.run_ids(held_out.ids, threshold=-np.inf)
            scores, answers = flagged.anomaly_score, flagged.logits
        threshold = threshold_at(scores, fitted.facts.frr)
        measured = CleanMeasurements(
            fit_scores=classifier.run_ids(fit.ids, threshold=np.inf).anomaly_score,
            held_out_scores=scores,
            undefended_logits=run.logits,
            purified_logits=answers,
            latency=measure_latency(classifier, max(max(ids) for ids in held_out.ids)),
        )
        progress(STAGE, 3, STEPS)
        difference = largest_difference(
            classifier, traced.reference, fitted, answer, held_out, clipped=clipped
        )
        progress(STAGE, 4, STEPS)
        manifest = write_measured(
            place,
            traced.graph,
            dataclasses.replace(
                draft,
                threshold=threshold,
                frr_measured=rejected_share(scores, threshold),
            ),
            {
                **fitted.tensors(),
                **({f"answer.{k}": v for k, v in answer.tensors().items()} if answer else {}),
                **measured.tensors(held_out.labels),
            },
            fitted.facts.method,
            ort_format=file_format == "ort",
            with_tokenizer=with_tokenizer,
        )
        progress(STAGE, STEPS, STEPS)
    return ExportResult(out, manifest, difference)


def _require_same_model(folder: ModelFolder, calibration: Calibration) -> None:
    digest = folder.digest()
    if digest != calibration.facts.model_digest:
        raise CalibrationError(
            f"The calibration of {calibration.facts.model_name!r}",
            found=f"a model with the digest {digest}",
            expected=f"the model that it was fitted on, {calibration.facts.model_digest}",
            do="Calibrate this model; what was fitted on another one protects nothing.",
        )
