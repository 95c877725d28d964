"""Fits clean activation intervals, detection statistics and thresholds."""

from clampdown_calib.artefact import Calibration, CalibrationFacts, load_calibration
from clampdown_calib.calibrate import calibrate

__all__ = ["Calibration", "CalibrationFacts", "calibrate", "load_calibration"]
