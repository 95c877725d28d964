"""Loads a Clampdown bundle, tokenises texts, runs the defended model and gives typed results."""

from clampdown_runtime.bundle import Bundle, FileDifference, bundle_differences, open_bundle
from clampdown_runtime.class_labels import resolve_label
from clampdown_runtime.classifier import DefendedClassifier, TruncationWarning
from clampdown_runtime.errors import (
    BundleError,
    CalibrationError,
    ClampdownError,
    DestinationError,
    ExportError,
    ModelError,
    ProviderError,
    RowsError,
    UnsupportedArchitectureError,
)
from clampdown_runtime.golden import (
    Golden,
    GoldenMismatch,
    GoldenRow,
    check_golden,
    read_golden,
)
from clampdown_runtime.manifest import Manifest, ModelIdentity, Padding
from clampdown_runtime.prediction import Prediction, RawOutputs
from clampdown_runtime.progress import Progress
from clampdown_runtime.providers import Provider
from clampdown_runtime.rows import Row, read_rows

__all__ = [
    "Bundle",
    "BundleError",
    "CalibrationError",
    "ClampdownError",
    "DefendedClassifier",
    "DestinationError",
    "ExportError",
    "FileDifference",
    "Golden",
    "GoldenMismatch",
    "GoldenRow",
    "Manifest",
    "ModelError",
    "ModelIdentity",
    "Padding",
    "Prediction",
    "Progress",
    "Provider",
    "ProviderError",
    "RawOutputs",
    "Row",
    "RowsError",
    "TruncationWarning",
    "UnsupportedArchitectureError",
    "bundle_differences",
    "check_golden",
    "open_bundle",
    "read_golden",
    "read_rows",
    "resolve_label",
]
