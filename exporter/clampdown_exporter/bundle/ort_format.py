"""The graph in ONNX Runtime's own format, and what a minimal build needs to run it."""

import contextlib
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import onnxruntime
from onnxruntime.tools.convert_onnx_models_to_ort import (
    OptimizationStyle,
    convert_onnx_models_to_ort,
)

from clampdown_runtime.errors import ExportError
from clampdown_runtime.writing.working_folder import scratch_folder

_WARNINGS, _ERRORS_ONLY = 2, 3

CONFIG_SUFFIX = ".required_operators.config"


def ort_files(model: Path) -> tuple[Path, Path]:
    """Where the graph in ONNX Runtime's format lies, and its required-operators configuration.

    Args:
        model: the ONNX file that they lie beside.
    """
    return model.with_suffix(".ort"), model.with_suffix(CONFIG_SUFFIX)


def write_ort_format(model: Path) -> None:
    """Write both beside an ONNX file, over what is there.

    The graph is optimised as at load, without the layouts that depend on the processor; inputs,
    the threshold among them, and outputs stay as they are.

    Args:
        model: the ONNX file.

    Raises:
        ExportError: ONNX Runtime cannot convert the graph.
    """
    with scratch_folder() as folder:
        try:
            with _quiet():
                convert_onnx_models_to_ort(
                    model, output_dir=folder, optimization_styles=[OptimizationStyle.Fixed]
                )
        except Exception as error:  # the tool raises whatever its steps raise
            lines = str(error).strip().splitlines() or ["no message"]
            raise ExportError(
                f"The conversion of {model.name} into ONNX Runtime's format",
                found=f"{type(error).__name__}: {lines[0]}",
                expected="a graph that this ONNX Runtime converts",
                hint="No bundle was written. Export it without --format ort.",
            ) from error
        graph, config = ort_files(model)
        graph.write_bytes((folder / graph.name).read_bytes())
        # Comments of the tool name the temporary folder.
        lines = (folder / config.name).read_text("utf-8").splitlines()
        operators = [line for line in lines if line and not line.startswith("#")]
        config.write_text("\n".join(operators) + "\n", "utf-8")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the tool's progress out of the terminal, and that the threshold is an input, too."""
    disabled, logging.root.manager.disable = logging.root.manager.disable, logging.WARNING
    onnxruntime.set_default_logger_severity(_ERRORS_ONLY)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        onnxruntime.set_default_logger_severity(_WARNINGS)
        logging.root.manager.disable = disabled
