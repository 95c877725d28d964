"""What a bundle keeps of its calibration, checked against its manifest and its graph."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.detectors import Detector, ExcessDetector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.options import Method
from clampdown_calib.stored_tensors import fitted_shapes
from clampdown_calib.tensor_file import read_tensors
from clampdown_calib.threshold import rejected_share
from clampdown_exporter.passes.pipeline import passes_of, rewrite
from clampdown_exporter.passes.remove_defence import RemoveDefence
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import CALIBRATION_FILE, Manifest
from clampdown_runtime.errors import BundleError

Tensors = dict[str, NDArray[Any]]

DETECTORS: dict[Method, type[Detector]] = {"probe": ExcessDetector, "badacts": NasDetector}


@dataclass(frozen=True, slots=True)
class Kept:
    """The contents of a bundle's ``calibration.safetensors``.

    Attributes:
        method: that fitted them.
        tensors: by the names of docs/calibration.md.
    """

    method: Method
    tensors: Tensors

    @property
    def detector(self) -> Detector:
        """That of the graph."""
        start = "detector."
        given = {k.removeprefix(start): v for k, v in self.tensors.items() if k.startswith(start)}
        return DETECTORS[self.method].from_tensors(given)

    @property
    def purifier(self) -> Answer | Intervals:
        """What answers a flagged row of the graph."""
        if self.method == "probe":
            return Answer(self.tensors["answer.log_odds"], self.tensors["answer.sharpness"])
        return Intervals(self.tensors["lower"], self.tensors["upper"])


def kept_tensors(bundle: Bundle) -> Kept:
    """Read them.

    Raises:
        BundleError: a name, type or shape is not as docs/calibration.md says for the manifest.
    """
    try:
        tensors, metadata = read_tensors(bundle.read(CALIBRATION_FILE))
        method = next((m for m in get_args(Method) if m == metadata.get("method")), None)
        if method is None or DETECTORS[method].name != bundle.manifest.detector:
            raise ValueError(f"the method {metadata.get('method')!r}")
        found = {name: (tensor.dtype.name, tensor.shape) for name, tensor in tensors.items()}
        wanted = _wanted(method, bundle.manifest, tensors)
        odd = sorted(name for name in {*found, *wanted} if found.get(name) != wanted.get(name))
        if odd:
            raise ValueError(f"{odd[0]} as {found.get(odd[0])}, not {wanted.get(odd[0])}")
    except ValueError as error:
        raise BundleError(
            str(bundle.calibration_path),
            found=str(error),
            expected=f"what an export keeps there with the detector {bundle.manifest.detector}",
            hint="Export the bundle again.",
        ) from error
    return Kept(method, tensors)


def kept_differences(bundle: Bundle, graph: ir.Model) -> Iterator[str]:
    """One sentence for every point in which they are not those of the manifest and of the graph.

    The defence is taken out of the graph, and put into it again out of the tensors. A bundle of an
    earlier release, with another detector, has other tensors and passes.
    """
    manifest = bundle.manifest
    if manifest.detector not in {detector.name for detector in DETECTORS.values()}:
        return
    try:
        kept = kept_tensors(bundle)
    except BundleError as error:
        yield f"has {error.found}"
        return
    share = rejected_share(kept.tensors["clean.held_out_scores"], manifest.threshold)
    if share != manifest.frr_measured:
        yield f"its clean scores make frr_measured {share}, not {manifest.frr_measured}"
    again = graph.clone()
    try:
        rewrite(again, (RemoveDefence(),))
        passes = passes_of(
            manifest.mode,
            kept.detector,
            kept.purifier,
            manifest.representation,
            threshold=manifest.threshold,
        )
        rewrite(again, passes)
    except Exception as error:  # a graph of strangers can break any step of a pass
        yield f"its defence cannot be made again ({error})"
        return
    old, new = graph.graph.initializers, again.graph.initializers
    for name in sorted({*old, *new}):
        if not _equal(old.get(name), new.get(name)):
            yield f"its tensors do not make the graph's initializer {name}"


def _equal(one: ir.Value | None, other: ir.Value | None) -> bool:
    if one is None or other is None or one.const_value is None or other.const_value is None:
        return False
    first, second = one.const_value, other.const_value
    return first is second or (first.dtype, first.shape, first.tobytes()) == (
        second.dtype,
        second.shape,
        second.tobytes(),
    )


def _wanted(
    method: Method, manifest: Manifest, tensors: Tensors
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The type and shape of every tensor; numbers of rows are the tensors' own, at least one."""
    fit, held_out = (_rows(tensors, name) for name in ("fit_scores", "held_out_scores"))
    rows = {
        "clean.fit_scores": ("float32", (fit,)),
        "clean.held_out_scores": ("float32", (held_out,)),
    }
    names = ["changed"]
    correct = ["correct_undefended", "correct_purified"]
    if any(f"clean.{name}" in tensors for name in correct):
        names += correct
    shapes = fitted_shapes(method, len(manifest.layers), len(manifest.labels), tensors)
    return {
        **rows,
        **{f"clean.{name}": ("uint8", (held_out,)) for name in names},
        **{f"latency.{name}": ("float32", (1,)) for name in ("unflagged", "flagged")},
        **{name: ("float32", shape) for name, shape in shapes.items()},
    }


def _rows(tensors: Tensors, name: str) -> int:
    scores = tensors.get(f"clean.{name}", np.empty(0))
    return max(1, len(scores)) if scores.ndim == 1 else 1
