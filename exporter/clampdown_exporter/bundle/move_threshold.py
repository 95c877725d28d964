"""Moves the threshold of a bundle without fitting anything again."""

import contextlib
import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.threshold import rejected_share, threshold_at
from clampdown_exporter.bundle.golden import golden_of
from clampdown_exporter.bundle.graph_file import read_graph
from clampdown_exporter.bundle.kept_tensors import kept_tensors
from clampdown_exporter.bundle.ort_format import ort_files
from clampdown_exporter.bundle.writer import open_graph, set_threshold, write_measured
from clampdown_runtime.bundle.files import Bundle, open_bundle
from clampdown_runtime.bundle.manifest import MANIFEST_NAME, Manifest
from clampdown_runtime.errors import BundleError, CalibrationError
from clampdown_runtime.writing.atomic_write import atomic_replacement


def move_threshold(
    bundle: str | Path,
    *,
    frr: float | None = None,
    value: float | None = None,
    expected_digest: str | None = None,
) -> Manifest:
    """Set the threshold from the clean scores kept in the bundle, or to a value.

    Golden rows, report and digests follow; a signature does not hold any more and is left out. The
    bundle is replaced whole or not at all.

    Args:
        bundle: the bundle to change.
        frr: false rejection rate to hold, 0 to 1; or
        value: the threshold itself, in the unit of the anomaly score.
        expected_digest: of the bundle's manifest, see :func:`clampdown_runtime.open_bundle`.

    Returns:
        The new manifest.

    Raises:
        BundleError: the bundle is damaged.
        ExportError: the bundle holds ONNX Runtime's format or a graph with the tokenizer, and this
            release cannot write it.
        CalibrationError: both or neither was given, or the kept scores cannot hold the rate.
        DestinationError: the bundle cannot be written.
    """
    opened = open_bundle(bundle, expected_digest=expected_digest)
    kept = kept_tensors(opened)
    scores = kept.tensors["clean.held_out_scores"]
    threshold = _threshold(scores, frr, value)
    manifest = dataclasses.replace(
        opened.manifest,
        threshold=threshold,
        frr=frr,
        frr_measured=rejected_share(scores, threshold),
    )
    graph = read_graph(opened)
    set_threshold(graph, threshold)
    with atomic_replacement(opened.path) as place:
        for name in opened.manifest.files:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            if name == opened.manifest.weights_file:
                _link(opened.path / name, place / name)
            else:
                (place / name).write_bytes(opened.read(name))
        written = write_measured(
            place,
            graph,
            manifest,
            kept.tensors,
            method=kept.method,
            golden=golden_of(open_graph(place, graph, manifest)),
            ort_format=ort_files(opened.model_path)[0].exists(),
            with_tokenizer=opened.manifest.text_model_file is not None,
        )
        _require_same_weights(opened, written)
        return written


def _link(source: Path, target: Path) -> None:
    """Have a large file in a second place, without a copy where the file system can."""
    real = os.path.realpath(source)
    with contextlib.suppress(OSError):
        os.link(real, target)
        return
    shutil.copyfile(real, target)


def _require_same_weights(opened: Bundle, written: Manifest) -> None:
    """Refuse a file that changed between the check and the link."""
    name = opened.manifest.weights_file
    if name is not None and written.files[name] != opened.manifest.files[name]:
        raise BundleError(
            str(opened.path / name),
            found="other contents than a moment ago",
            expected=f"those that {MANIFEST_NAME} lists",
            hint="Keep the bundle as it is while it is changed, and find out who changed it.",
        )


def _threshold(scores: NDArray[np.float32], frr: float | None, value: float | None) -> float:
    if frr is not None and value is None:
        return threshold_at(scores, frr)
    if value is not None and frr is None and abs(value) <= float(np.finfo(np.float32).max):
        return value
    raise CalibrationError(
        "The new threshold",
        found=f"--frr {frr} and --value {value}",
        expected="exactly one of the two, a finite float32 number",
        hint="Pass --frr 0.1, or --value with a threshold.",
    )
