"""Fits a defence on the graph of a classifier, with a few hundred clean rows."""

from typing import TYPE_CHECKING, Any

from clampdown_calib.options import Exporter, FitOptions, Method

if TYPE_CHECKING:
    from clampdown_calib.artefact import load_calibration
    from clampdown_calib.calibration import Calibration, CalibrationFacts
    from clampdown_calib.run_calibration import calibrate

__all__ = [
    "Calibration",
    "CalibrationFacts",
    "Exporter",
    "FitOptions",
    "Method",
    "calibrate",
    "load_calibration",
]

_PLACES = {
    "Calibration": "calibration",
    "CalibrationFacts": "calibration",
    "calibrate": "run_calibration",
    "load_calibration": "artefact",
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
