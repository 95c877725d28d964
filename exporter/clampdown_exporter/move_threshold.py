"""Moves the threshold of a bundle without fitting anything again."""

import dataclasses
import math
import shutil
from pathlib import Path

import onnx_ir as ir
from clampdown_calib.staging import replaced_folder
from clampdown_calib.threshold import rejected_share, threshold_at
from clampdown_runtime.bundle import open_bundle
from clampdown_runtime.errors import CalibrationError
from clampdown_runtime.manifest import Manifest
from safetensors import safe_open
from safetensors.numpy import load_file

from clampdown_exporter.bundle_draft import write_measured


def move_threshold(
    bundle: Path, *, frr: float | None = None, value: float | None = None
) -> Manifest:
    """Set the threshold from the clean scores kept in the bundle, or to a value.

    Golden rows, report and digests follow; the bundle is replaced whole or not at all.

    Args:
        bundle: the bundle to change.
        frr: false rejection rate to hold, 0 to 1; or
        value: the threshold itself, in the unit of the anomaly score.

    Returns:
        The new manifest.

    Raises:
        BundleError: the bundle is damaged.
        CalibrationError: both or neither was given, or the kept scores cannot hold the rate.
        DestinationError: the bundle cannot be written.
    """
    if (frr is None) == (value is None) or (value is not None and not math.isfinite(value)):
        raise CalibrationError(
            "The new threshold",
            found=f"--frr {frr} and --value {value}",
            expected="exactly one of the two, a finite number",
            do="Pass --frr 0.1, or --value with a threshold.",
        )
    opened = open_bundle(bundle)
    tensors = load_file(opened.calibration_path)
    with safe_open(opened.calibration_path, framework="numpy") as file:
        intervals = file.metadata()["intervals"]
    scores = tensors["clean.held_out_scores"]
    threshold = value if value is not None else threshold_at(scores, frr)
    graph = ir.load(opened.model_path)
    with replaced_folder(bundle) as place:
        for name in opened.manifest.files:
            (place / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(bundle / name, place / name)
        return write_measured(
            place,
            graph,
            dataclasses.replace(
                opened.manifest,
                threshold=threshold,
                frr=frr,
                frr_measured=rejected_share(scores, threshold),
            ),
            tensors,
            intervals,
        )
