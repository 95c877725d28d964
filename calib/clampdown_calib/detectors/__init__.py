"""Detectors: how far a row's run lies from the clean ones."""

from clampdown_calib.detectors.excess import ExcessDetector
from clampdown_calib.detectors.interface import Detector, Emitted
from clampdown_calib.detectors.label_excess import LabelExcessDetector

__all__ = ["Detector", "Emitted", "ExcessDetector", "LabelExcessDetector"]
