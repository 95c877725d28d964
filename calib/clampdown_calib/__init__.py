"""Fits a defence on the graph of a classifier, with a few hundred clean rows."""

from typing import TYPE_CHECKING

from clampdown_calib.options import Exporter, FitOptions, Method
from clampdown_runtime.on_demand import on_demand

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

__getattr__ = on_demand(
    __name__,
    {
        "Calibration": "calibration",
        "CalibrationFacts": "calibration",
        "calibrate": "run_calibration",
        "load_calibration": "artefact",
    },
)
