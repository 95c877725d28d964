"""Detectors: how far a sample's activations lie from the clean distribution."""

from clampdown_calib.detectors.fusion import FusionDetector
from clampdown_calib.detectors.interface import Detector, Emitted, Representations
from clampdown_calib.detectors.mahalanobis import MahalanobisDetector
from clampdown_calib.detectors.nas import NasDetector

DETECTORS: dict[str, type[Detector]] = {
    FusionDetector.name: FusionDetector,
    MahalanobisDetector.name: MahalanobisDetector,
    NasDetector.name: NasDetector,
}
"""Every detector by its name in the command line, the artefacts and the bundle."""

__all__ = [
    "DETECTORS",
    "Detector",
    "Emitted",
    "FusionDetector",
    "MahalanobisDetector",
    "NasDetector",
    "Representations",
]
