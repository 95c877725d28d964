"""Tracing by Optimum's exporter, where it is installed."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from clampdown_calib.graphs.format_limits import NEWEST_OPSET
from clampdown_calib.graphs.onnx_files.read_onnx_graph import read_onnx_graph
from clampdown_calib.graphs.onnx_graph import OnnxGraph
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_calib.models.quiet import quiet_transformers
from clampdown_runtime.bundle.manifest import Representation
from clampdown_runtime.errors import ExportError
from clampdown_runtime.writing.working_folder import scratch_folder


def require_optimum() -> Callable[..., None]:
    """Optimum's export.

    Raises:
        ExportError: it is not installed.
    """
    try:
        from optimum.exporters.onnx import main_export  # noqa: PLC0415 - may be missing
    except ImportError as error:
        raise ExportError(
            "--exporter optimum",
            found="no optimum-onnx",
            expected="it beside the transformers release that it needs",
            hint="Run pip install 'clampdown[optimum]' in an environment of its own.",
        ) from error
    export: Callable[..., None] = main_export
    return export


def trace_with_optimum(
    folder: ModelFolder, layers: Sequence[str], representation: Representation
) -> OnnxGraph:
    """Export by ``optimum.exporters.onnx`` and find the layers of these names in the result.

    Raises:
        ExportError: Optimum is not installed, or cannot export the model with its layers.
    """
    main_export = require_optimum()
    with scratch_folder() as place:
        try:
            # The tracer warns of constants; whether they are right is seen when the graph is
            # compared with the model.
            with quiet_transformers(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                main_export(
                    str(folder.path),
                    output=place,
                    task="text-classification",
                    opset=NEWEST_OPSET,
                    do_validation=False,
                    trust_remote_code=False,
                )
        except Exception as error:  # Optimum passes on whatever its parts raise
            raise ExportError(
                f"Optimum's export of {folder.path}",
                found=f"{type(error).__name__}: {error}",
                expected="an architecture that Optimum exports",
                hint="Leave --exporter out: torch's exporter covers more architectures.",
            ) from error
        exported = replace(folder, kind="onnx", onnx_file=Path(place) / "model.onnx", weights=())
        read = read_onnx_graph(exported, layers=layers, representation=representation)
    if len(read.layers) != len(layers):
        raise ExportError(
            "The layers of Optimum's graph",
            found=", ".join(read.layer_names),
            expected=f"those of the checkpoint: {', '.join(layers)}",
            hint="Leave --exporter out.",
        )
    return read
