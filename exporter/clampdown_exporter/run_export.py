"""Rewrites a calibrated model into a bundle that defends itself."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from clampdown_calib.badacts.insert_clips import InsertClips
from clampdown_calib.fit import FittedModel, find_graph
from clampdown_calib.graphs.format_limits import LARGEST_GRAPH
from clampdown_calib.graphs.large_graphs import is_too_large
from clampdown_calib.models.activations import ActivationSource
from clampdown_exporter.agreement import disagreement
from clampdown_exporter.bundle.golden import golden_of
from clampdown_exporter.bundle.latency import latency_ratios
from clampdown_exporter.bundle.writer import (
    copy_model_files,
    manifest_of,
    open_graph,
    write_measured,
)
from clampdown_exporter.options import ExportOptions, FileFormat
from clampdown_exporter.passes.pipeline import passes_of, rewrite
from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.bundle.manifest import MANIFEST_NAME, Manifest, Mode
from clampdown_runtime.errors import ExportError
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.writing.atomic_write import atomic_folder, require_free

STAGE, STEPS = "Writing the bundle", 4


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What an export made.

    Attributes:
        bundle: the folder.
        manifest: its manifest.
        digest: ``sha256:…`` of the manifest's file, which stands for the whole bundle.
        largest_difference: largest difference of a logit or score between the graph and the model
            that it was made from, in fp16 and int8 the lowered model, over clean rows, relative to
            the larger of the value and 1; in int8 of nine comparisons in ten.
    """

    bundle: Path
    manifest: Manifest
    digest: str
    largest_difference: float

    def summary(self) -> dict[str, object]:
        """The facts, for a report."""
        return {
            "bundle": str(self.bundle),
            "digest": self.digest,
            "mode": self.manifest.mode,
            "precision": self.manifest.precision,
            "threshold": self.manifest.threshold,
            "frr": self.manifest.frr,
            "frr_measured": self.manifest.frr_measured,
            "largest_difference": self.largest_difference,
        }


def export(
    model: str | Path,
    calibration: str | Path,
    out: str | Path,
    *,
    mode: Mode = "detect-then-purify",
    file_format: FileFormat = "onnx",
    with_tokenizer: bool = False,
    allow_pickle: bool = False,
    progress: Progress = silent,
) -> ExportResult:
    """Write a bundle of a calibration, whole or not at all.

    The precision and what traces the model are those of the calibration.

    Args:
        model: the model that the calibration was fitted on.
        calibration: the folder that ``calibrate`` wrote.
        out: the bundle to write.
        mode: see :class:`ExportOptions`, as the two that follow.
        file_format: ``onnx``, or ``ort`` beside it.
        with_tokenizer: write the graph with the tokenizer in front, too.
        allow_pickle: accept a pickled checkpoint, loaded with ``weights_only``.
        progress: called as the work goes on.

    Raises:
        ModelError: the model cannot be used.
        CalibrationError: the calibration is unusable, or of another model or graph.
        ExportError: the model cannot be traced, rewritten or converted, the result disagrees
            with it, or the tokenizer cannot be written as a graph.
        DestinationError: ``out`` cannot be written.
    """
    options = ExportOptions(mode, file_format, with_tokenizer)
    require_free(Path(out))
    fitted = find_graph(model, Path(calibration), allow_pickle=allow_pickle, progress=progress)
    return write_bundle(fitted, Path(out), options, progress=progress)


def write_bundle(
    fitted: FittedModel, out: Path, options: ExportOptions, *, progress: Progress = silent
) -> ExportResult:
    """Insert what was fitted, compare the graph with the model on clean rows, and write it.

    The model is the one that the graph was traced from, in fp16 and int8 the lowered one, so that
    what lowering itself costs has to be measured with ``evaluate``.

    Raises:
        CalibrationError: the clean scores hold no threshold at the rate asked for.
        ExportError: the graph cannot be rewritten or converted, the result disagrees with the
            model, or the tokenizer cannot be written as a graph.
        DestinationError: ``out`` cannot be written.
    """
    calibration, traced, mode = fitted.calibration, fitted.traced, options.mode
    manifest, graph = manifest_of(fitted, mode), traced.graph.clone()
    passes = passes_of(
        mode,
        calibration.reading(mode).detector,
        calibration.purifier,
        traced.representation,
        threshold=manifest.threshold,
    )
    with atomic_folder(out) as place:
        progress(STAGE, 0, STEPS)
        rewrite(graph, passes)
        beside = is_too_large(graph)
        if beside:
            _require_one_format(options)
        copy_model_files(place, fitted.folder, fitted.tokenization, weights_beside=beside)
        classifier = open_graph(place, graph, manifest)
        progress(STAGE, 1, STEPS)
        rows = fitted.rows("held-out")
        difference = disagreement(
            classifier, traced.reference, calibration, rows, clipped=_clipped(fitted, mode)
        )
        progress(STAGE, 2, STEPS)
        latency = latency_ratios(
            traced.graph, graph, manifest, highest_id=max(max(ids) for ids in rows.ids)
        )
        progress(STAGE, 3, STEPS)
        manifest = write_measured(
            place,
            graph,
            manifest,
            {
                **calibration.fitted_tensors(mode),
                **calibration.clean_tensors(mode),
                **{f"latency.{k}": np.array([v], np.float32) for k, v in latency.items()},
            },
            method=calibration.facts.method,
            golden=golden_of(classifier),
            ort_format=options.file_format == "ort",
            with_tokenizer=options.with_tokenizer,
        )
        digest = file_digest(place / MANIFEST_NAME)
        progress(STAGE, STEPS, STEPS)
    return ExportResult(out, manifest, digest, difference)


def _require_one_format(options: ExportOptions) -> None:
    """Refuse files that would have to hold all weights themselves, of which one is too large."""
    asked = {
        "--format ort": options.file_format == "ort",
        "--with-tokenizer": options.with_tokenizer,
    }
    if unfit := [name for name, wanted in asked.items() if wanted]:
        raise ExportError(
            f"{' and '.join(unfit)}",
            found=f"more than {LARGEST_GRAPH / 2**30:.1f} GB of weights",
            expected="as much as one file holds",
            hint="No bundle was written. Leave it out, or calibrate with --precision fp16 or int8.",
        )


def _clipped(fitted: FittedModel, mode: Mode) -> ActivationSource | None:
    """The lowered graph, clipped; in float32 torch clips."""
    intervals = fitted.calibration.intervals
    lowered = fitted.traced.reference is not fitted.traced.torch
    if mode == "detect" or intervals is None or not lowered:
        return None
    return fitted.traced.source(InsertClips(intervals))
