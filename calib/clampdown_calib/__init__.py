"""Fits a defence on the graph of a classifier, with a few hundred clean rows."""

from typing import TYPE_CHECKING

from clampdown_calib.options import Exporter, FitOptions, Method
from clampdown_runtime.on_demand import on_demand

if TYPE_CHECKING:
    from clampdown_calib.artefact import load_calibration
    from clampdown_calib.audit.audit_model import Audit, audit_model
    from clampdown_calib.audit.finding import Finding
    from clampdown_calib.calibration import Calibration, CalibrationFacts
    from clampdown_calib.run_calibration import calibrate

__all__ = [
    "Audit",
    "Calibration",
    "CalibrationFacts",
    "Exporter",
    "Finding",
    "FitOptions",
    "Method",
    "audit_model",
    "calibrate",
    "load_calibration",
]

__getattr__ = on_demand(
    __name__,
    {
        "Audit": "audit.audit_model",
        "Calibration": "calibration",
        "CalibrationFacts": "calibration",
        "Finding": "audit.finding",
        "audit_model": "audit.audit_model",
        "calibrate": "run_calibration",
        "load_calibration": "artefact",
    },
)
