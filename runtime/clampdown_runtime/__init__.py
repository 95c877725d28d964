"""Loads a Clampdown bundle, tokenises texts, runs the defended model and gives typed results."""

import clampdown_runtime.no_telemetry  # noqa: F401 - first, since others import ONNX Runtime
from clampdown_runtime.bundle.differences import FileDifference, bundle_differences
from clampdown_runtime.bundle.files import Bundle, open_bundle
from clampdown_runtime.bundle.golden import (
    Golden,
    GoldenMismatch,
    GoldenRow,
    check_golden,
    read_golden,
)
from clampdown_runtime.bundle.manifest import Manifest, ModelIdentity, Padding
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import (
    BundleError,
    CalibrationError,
    ClampdownError,
    ClampdownWarning,
    DestinationError,
    ExportError,
    ModelError,
    ProviderError,
    RowsError,
    UnsupportedArchitectureError,
)
from clampdown_runtime.prediction import Prediction, RawOutputs
from clampdown_runtime.progress import Progress
from clampdown_runtime.rows.class_labels import resolve_label, resolve_labels
from clampdown_runtime.rows.columns import LabelColumnWarning
from clampdown_runtime.rows.read_rows import read_rows
from clampdown_runtime.rows.row import Row
from clampdown_runtime.rows.row_format import RowFormat
from clampdown_runtime.sessions.providers import Provider
from clampdown_runtime.truncation import TruncationWarning

__all__ = [
    "Bundle",
    "BundleError",
    "CalibrationError",
    "ClampdownError",
    "ClampdownWarning",
    "DefendedClassifier",
    "DestinationError",
    "ExportError",
    "FileDifference",
    "Golden",
    "GoldenMismatch",
    "GoldenRow",
    "LabelColumnWarning",
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
    "RowFormat",
    "RowsError",
    "TruncationWarning",
    "UnsupportedArchitectureError",
    "bundle_differences",
    "check_golden",
    "open_bundle",
    "read_golden",
    "read_rows",
    "resolve_label",
    "resolve_labels",
]
