"""Detectors: how far a row's run lies from the clean ones."""

from clampdown_calib.detectors.excess import ExcessDetector, Unseen
from clampdown_calib.detectors.interface import Detector, Emitted
from clampdown_calib.detectors.nas import NasDetector

__all__ = ["Detector", "Emitted", "ExcessDetector", "NasDetector", "Unseen"]
