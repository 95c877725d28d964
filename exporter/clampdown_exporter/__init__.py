"""Traces a classifier to ONNX, rewrites its graph and writes the bundle."""

from clampdown_exporter.export import ExportResult, export
from clampdown_exporter.move_threshold import move_threshold
from clampdown_exporter.undefended import write_undefended
from clampdown_exporter.verify import verify

__all__ = ["ExportResult", "export", "move_threshold", "verify", "write_undefended"]
