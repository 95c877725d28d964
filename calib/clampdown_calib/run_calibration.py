"""Fits a defence on a few hundred clean rows and writes the calibration."""

from collections.abc import Sequence
from pathlib import Path

from clampdown_calib.artefact import save_calibration
from clampdown_calib.calibration import Calibration
from clampdown_calib.fit import fit
from clampdown_calib.options import Exporter, FitOptions, Method
from clampdown_runtime.bundle.manifest import Precision, Representation
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT, RowFormat
from clampdown_runtime.sessions.providers import Provider
from clampdown_runtime.writing.atomic_write import require_free


def calibrate(
    model: str | Path,
    clean: str | Path,
    out: str | Path,
    *,
    row_format: RowFormat = DEFAULT_FORMAT,
    method: Method = "probe",
    layers: Sequence[str] | None = None,
    representation: Representation | None = None,
    frr: float = 0.1,
    epochs: int | None = None,
    seed: int = 0,
    precision: Precision = "fp32",
    exporter: Exporter = "torch",
    provider: Provider = "cpu",
    allow_pickle: bool = False,
    progress: Progress = silent,
) -> Calibration:
    """Fit on the clean rows' run through the graph that is deployed.

    All rows fit the probes and all set the threshold, each held out of one of several fits. The
    published method's intervals take too long to be optimised so often: half of the rows fit
    everything and the other half is kept for the threshold. The same rows, options and seed give
    the same calibration.

    Args:
        model: a Hugging Face folder, a hub id, or a folder with an ONNX classifier or an adapter of
            LoRA.
        clean: rows with texts and, if known, labels, see :func:`clampdown_runtime.read_rows`.
        out: the folder to write.
        row_format: the columns of ``clean``.
        method: see :class:`FitOptions`, as the other options.
        layers: the layers to defend.
        representation: the token that the published detector reads.
        frr: false rejection rate, between 0 and 1.
        epochs: passes of the published intervals' optimisation.
        seed: of the published method.
        precision: of the graph.
        exporter: what traces a checkpoint.
        provider: what runs the clean rows.
        allow_pickle: accept a pickled checkpoint, loaded with ``weights_only``.
        progress: called as the work goes on.

    Raises:
        ModelError: the model cannot be used.
        UnsupportedArchitectureError: its layers are not known.
        RowsError: the rows cannot be used.
        CalibrationError: an option is out of its range, the rows are too few, or the method needs
            gradients and there are none.
        ExportError: the model cannot be traced or lowered.
        ProviderError: the provider is not usable.
        DestinationError: ``out`` cannot be written.

    Warns:
        LabelColumnWarning: there is no column ``label``, but one that may be it.
    """
    options = FitOptions(
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
    require_free(Path(out))
    fitted = fit(
        model,
        Path(clean),
        options,
        row_format=row_format,
        allow_pickle=allow_pickle,
        progress=progress,
    )
    save_calibration(fitted.calibration, Path(out))
    return fitted.calibration
