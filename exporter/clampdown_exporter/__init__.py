"""Traces a classifier to ONNX, rewrites its graph and writes the bundle."""

from clampdown_runtime.providers import import_onnxruntime

# First: it says which build to install, where the modules below would fail to import it.
import_onnxruntime()

from clampdown_exporter.export import ExportResult, export, require_options  # noqa: E402
from clampdown_exporter.move_threshold import move_threshold  # noqa: E402
from clampdown_exporter.undefended import write_undefended  # noqa: E402
from clampdown_exporter.verify import verify  # noqa: E402

__all__ = [
    "ExportResult",
    "export",
    "move_threshold",
    "require_options",
    "verify",
    "write_undefended",
]
