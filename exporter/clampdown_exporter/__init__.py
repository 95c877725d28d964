"""Rewrites a classifier's graph and writes the bundle."""

from typing import TYPE_CHECKING

from clampdown_exporter.options import ExportOptions, FileFormat
from clampdown_runtime.on_demand import on_demand

if TYPE_CHECKING:
    from clampdown_exporter.bundle.move_threshold import move_threshold
    from clampdown_exporter.bundle.remove_defence import write_undefended
    from clampdown_exporter.comparison.compare import Comparison, compare
    from clampdown_exporter.run_export import ExportResult, export
    from clampdown_exporter.verification.verify import verify

__all__ = [
    "Comparison",
    "ExportOptions",
    "ExportResult",
    "FileFormat",
    "compare",
    "export",
    "move_threshold",
    "verify",
    "write_undefended",
]

__getattr__ = on_demand(
    __name__,
    {
        "Comparison": "comparison.compare",
        "ExportResult": "run_export",
        "compare": "comparison.compare",
        "export": "run_export",
        "move_threshold": "bundle.move_threshold",
        "verify": "verification.verify",
        "write_undefended": "bundle.remove_defence",
    },
)
