"""Calibrating and exporting in one call."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from clampdown.extras import needs_extra
from clampdown_runtime.bundle.manifest import Mode, Precision, Representation
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT, RowFormat
from clampdown_runtime.sessions.providers import Provider, import_onnxruntime
from clampdown_runtime.writing.atomic_write import require_free

if TYPE_CHECKING:
    from clampdown_calib import Exporter, Method
    from clampdown_exporter import ExportResult, FileFormat


@needs_extra("defend")
def defend(
    model: str | Path,
    clean: str | Path,
    out: str | Path,
    *,
    row_format: RowFormat = DEFAULT_FORMAT,
    mode: Mode = "detect-then-purify",
    precision: Precision = "fp32",
    file_format: "FileFormat" = "onnx",
    with_tokenizer: bool = False,
    method: "Method" = "probe",
    layers: Sequence[str] | None = None,
    representation: Representation | None = None,
    frr: float = 0.1,
    epochs: int | None = None,
    seed: int = 0,
    allow_pickle: bool = False,
    exporter: "Exporter" = "torch",
    provider: Provider = "cpu",
    progress: Progress = silent,
) -> "ExportResult":
    """Turn a model and clean rows into a bundle whose ONNX file defends itself.

    What each option means is said once, at :class:`clampdown_calib.FitOptions` (``method``,
    ``layers``, ``representation``, ``frr``, ``epochs``, ``seed``, ``precision``, ``exporter``,
    ``provider``) and
    :class:`clampdown_exporter.ExportOptions` (``mode``, ``file_format``, ``with_tokenizer``).

    Args:
        model: a Hugging Face folder, a hub id, or a folder with an ONNX classifier or an adapter of
            LoRA.
        clean: rows with texts and, if known, labels, see :func:`clampdown_runtime.read_rows`.
        out: the bundle to write: a new or empty folder.
        row_format: the columns of ``clean``.
        mode: of the bundle.
        precision: of the graph.
        file_format: of the bundle.
        with_tokenizer: of the bundle.
        method: of the fit.
        layers: of the fit.
        representation: of the fit.
        frr: false rejection rate, between 0 and 1.
        epochs: of the published method.
        seed: of the published method.
        allow_pickle: accept a pickled checkpoint, loaded with ``weights_only``.
        exporter: what traces the model to ONNX.
        provider: what runs the clean rows.
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
        ProviderError: the provider is not usable.
        DestinationError: ``out`` is not a new or empty folder, or cannot be written.

    Warns:
        LabelColumnWarning: there is no column ``label``, but one that may be it.
    """
    # The export refuses the same, but only after the fit.
    require_free(Path(out))
    from clampdown_calib import FitOptions  # noqa: PLC0415 - what follows imports torch
    from clampdown_exporter import ExportOptions  # noqa: PLC0415

    fitting = FitOptions(
        method=method,
        layers=None if layers is None else tuple(layers),
        representation=representation,
        frr=frr,
        epochs=epochs,
        seed=seed,
        precision=precision,
        exporter=exporter,
        provider=provider,
    )
    exporting = ExportOptions(mode, file_format, with_tokenizer)
    # First: it says which build to install, where the modules below would fail to import it.
    import_onnxruntime()
    from clampdown_calib.fit import fit  # noqa: PLC0415
    from clampdown_exporter.run_export import write_bundle  # noqa: PLC0415

    fitted = fit(
        model,
        Path(clean),
        fitting,
        row_format=row_format,
        allow_pickle=allow_pickle,
        progress=progress,
    )
    return write_bundle(fitted, Path(out), exporting, progress=progress)
