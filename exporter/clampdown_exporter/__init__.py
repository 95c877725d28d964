"""Rewrites a classifier's graph and writes the bundle."""

from typing import TYPE_CHECKING, Any

from clampdown_exporter.options import ExportOptions, FileFormat

if TYPE_CHECKING:
    from clampdown_exporter.bundle.move_threshold import move_threshold
    from clampdown_exporter.bundle.remove_defence import write_undefended
    from clampdown_exporter.bundle.verify import verify
    from clampdown_exporter.run_export import ExportResult, export

__all__ = [
    "ExportOptions",
    "ExportResult",
    "FileFormat",
    "export",
    "move_threshold",
    "verify",
    "write_undefended",
]

_PLACES = {
    "ExportResult": "run_export",
    "export": "run_export",
    "move_threshold": "bundle.move_threshold",
    "verify": "bundle.verify",
    "write_undefended": "bundle.remove_defence",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds
    # On demand: the command line needs the options' types, and torch takes seconds to import.
    if name in _PLACES:
        from importlib import import_module  # noqa: PLC0415

        from clampdown_runtime.providers import import_onnxruntime  # noqa: PLC0415

        # First: it says which build to install, where the modules would fail to import it.
        import_onnxruntime()
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
