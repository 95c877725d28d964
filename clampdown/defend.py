"""Calibrating and exporting in one call."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from clampdown.extras import needs_extra
from clampdown_runtime.manifest import Mode, Precision, Representation
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.staging import require_free

if TYPE_CHECKING:
    from clampdown_exporter import ExportResult

Method = Literal["probe", "badacts"]
Exporter = Literal["torch", "optimum"]
FileFormat = Literal["onnx", "ort"]


@needs_extra("defend")
def defend(
    model: str | Path,
    clean: str | Path,
    out: str | Path,
    *,
    mode: Mode = "detect-then-purify",
    precision: Precision = "fp32",
    file_format: FileFormat = "onnx",
    with_tokenizer: bool = False,
    method: Method = "probe",
    layers: Sequence[str] | None = None,
    representation: Representation | None = None,
    frr: float = 0.1,
    epochs: int | None = None,
    seed: int = 0,
    allow_pickle: bool = False,
    exporter: Exporter = "torch",
    progress: Progress = silent,
) -> "ExportResult":
    """Turn a model and clean rows into a bundle whose ONNX file defends itself.

    Args:
        model: a Hugging Face folder, a hub id, or a folder with an ONNX classifier.
        clean: CSV, JSONL or Parquet with ``text`` and optionally ``label``.
        out: the bundle to write: a new or empty folder.
        mode: ``detect-then-purify``, ``purify`` or ``detect``.
        precision: ``fp32``, ``fp16`` or ``int8``.
        file_format: ``ort`` writes the graph in ONNX Runtime's format, too.
        with_tokenizer: write the graph with the tokenizer in front, too.
        method: ``probe`` or, with neuron states and intervals as published, ``badacts``.
        layers: the modules whose outputs are defended; every encoder block when None.
        representation: the token that the detector of ``badacts`` reads; the architecture's own
            when None.
        frr: the share of clean rows that may be flagged, between 0 and 1.
        epochs: passes over the clean rows to fit the intervals of ``badacts``; its own 50 when
            None.
        seed: of the halves and the batches of ``badacts``; at least 0. Probes take none.
        allow_pickle: accept a pickled checkpoint, loaded with ``weights_only``.
        exporter: what traces the model to ONNX.
        progress: told about every step.

    Returns:
        What was written and how far it is from the model.

    Raises:
        ClampdownError: a package of the extra ``export`` is missing.
        ModelError: the model cannot be used.
        RowsError: the rows cannot be used.
        CalibrationError: an option is out of its range, the rows are too few, or the method needs
            gradients and there are none.
        ExportError: the defended graph disagrees with the model; no bundle is written.
        DestinationError: ``out`` is not a new or empty folder, or cannot be written.
    """
    destination = Path(out)
    # The export refuses the same, but only after minutes of fitting.
    require_free(destination)
    from clampdown_calib import calibrate  # noqa: PLC0415 - imports torch, which takes seconds
    from clampdown_exporter import export, require_options  # noqa: PLC0415

    require_options(mode, precision, file_format, exporter, with_tokenizer=with_tokenizer)
    with tempfile.TemporaryDirectory(prefix="clampdown-") as folder:
        calibration = Path(folder) / "calibration"
        calibrate(
            model,
            Path(clean),
            calibration,
            layers=layers,
            representation=representation,
            method=method,
            frr=frr,
            epochs=epochs,
            seed=seed,
            allow_pickle=allow_pickle,
            progress=progress,
        )
        return export(
            model,
            calibration,
            destination,
            mode=mode,
            precision=precision,
            file_format=file_format,
            with_tokenizer=with_tokenizer,
            exporter=exporter,
            allow_pickle=allow_pickle,
            progress=progress,
        )
