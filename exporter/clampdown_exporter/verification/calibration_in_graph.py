"""Whether a bundle's graph is made of the calibration that the bundle keeps."""

from collections.abc import Iterator

import onnx_ir as ir

from clampdown_calib.threshold import rejected_share
from clampdown_exporter.bundle.kept_tensors import DETECTORS, kept_tensors
from clampdown_exporter.passes.pipeline import passes_of, rewrite
from clampdown_exporter.passes.remove_defence import RemoveDefence
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.errors import BundleError


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
