"""Detectors: how far a row's run lies from the clean ones."""

from clampdown_calib.detectors.excess import ExcessDetector
from clampdown_calib.detectors.interface import Detector, Emitted

__all__ = ["Detector", "Emitted", "ExcessDetector"]
