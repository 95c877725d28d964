"""Loads an ONNX file of strangers, or says why not."""

from pathlib import Path

import onnx
import onnx.version_converter
import onnx_ir as ir
from onnx_ir.passes import common

from clampdown_calib.graphs.format_limits import (
    CONTROL_FLOW,
    IR_VERSION,
    LARGEST_GRAPH,
    NEWEST_OPSET,
    OLDEST_OPSET,
)
from clampdown_calib.graphs.onnx_files.refusal import refusal
from clampdown_calib.models.external_data import (
    all_nodes,
    external_places,
    is_file,
    is_inside,
    weight_bytes,
)
from clampdown_runtime.errors import ModelError

RUNTIMES_OWN = "com.microsoft"
"""The domain into which ONNX Runtime fuses operators, for itself alone."""


def load_onnx(path: Path, *, control_flow: bool = False) -> ir.Model:
    """Read an ONNX file and its weights, in an operator set that the defence can be put into.

    Types are inferred, and functions and operator sets that nothing uses are left out.

    Args:
        path: the file.
        control_flow: let loops and branches pass, in which no defence is put.

    Raises:
        ModelError: the file is damaged or too large, reads files outside its folder, or uses
            operators of another domain or an unsupported version.
    """
    opset = _check_file(path, control_flow=control_flow)
    if opset < OLDEST_OPSET:
        try:
            loaded = onnx.load(str(path))
            model = ir.from_proto(onnx.version_converter.convert_version(loaded, OLDEST_OPSET))
        except Exception as error:  # the converter's own kinds, and those of protobuf
            raise refusal(
                path,
                f"operator set {opset}, which cannot be converted ({error})",
                f"{OLDEST_OPSET} to {NEWEST_OPSET}",
                f"Export the model again with opset {OLDEST_OPSET}.",
            ) from error
    else:
        try:
            model = ir.load(path)
            # In memory, so that the graph outlives its file. The checker does not look into
            # external data, which can be shorter than its tensors.
            ir.external_data.load_to_model(model)
        except Exception as error:  # whatever the bytes of strangers raise
            raise _damaged(path, error) from error
    model.ir_version = min(model.ir_version, IR_VERSION)
    # torch's older exporter writes no types; the layers' have to be known.
    common.ShapeInferencePass()(model)
    common.RemoveUnusedFunctionsPass()(model)  # type: ignore[no-untyped-call]
    common.RemoveUnusedOpsetsPass()(model)
    return model


def _check_file(path: Path, *, control_flow: bool) -> int:
    """Refuse a file that is damaged, too large or not self-contained; returns its operator set."""
    size = path.stat().st_size
    if size > LARGEST_GRAPH:
        raise refusal(
            path,
            f"a file of {size / 2**30:.1f} GB",
            f"at most {LARGEST_GRAPH / 2**30:.1f} GB, which ONNX files can have",
            "Export the model with its weights in a file beside it.",
        )
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises its own kinds
        raise _damaged(path, error) from error
    places = {path.parent / place for place in external_places(proto)}
    for place in sorted(external_places(proto)):
        if not is_inside(path.parent / place, path.parent):
            raise refusal(
                path,
                f"weights in {place!r}, outside its folder",
                "external data beside the model",
                "Do not load this file: a model has no reason to read elsewhere.",
            )
        if not is_file(path.parent / place):
            raise refusal(
                path,
                f"no file {place!r}, in which its weights should be",
                "all external data beside the model",
                "Copy the whole folder again.",
            )
    size += sum(place.stat().st_size for place in places)
    # Before anything is read: what several weights share is in memory as often.
    if (weights := weight_bytes(proto)) > max(size, LARGEST_GRAPH):
        raise refusal(
            path,
            f"{weights / 2**30:.1f} GB of weights in files of {size / 2**30:.1f} GB",
            "a place of its own for every weight",
            "Export the model again.",
        )
    _require_standard_operators(path, proto)
    control = {node.op_type for node in all_nodes(proto.graph)} & CONTROL_FLOW
    if control and not control_flow:
        raise refusal(
            path,
            f"control flow ({', '.join(sorted(control))})",
            "a network without loops and branches",
            "Export the model again for inference; a branch can hide what a network does.",
        )
    opset = max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset > NEWEST_OPSET:
        raise refusal(
            path,
            f"operator set {opset}",
            f"at most {NEWEST_OPSET}",
            f"Export the model again with opset {NEWEST_OPSET}.",
        )
    try:
        # A file cut off between two fields still parses.
        onnx.checker.check_model(str(path))
    except Exception as error:  # the checker's own kinds, and those of protobuf
        raise _damaged(path, error) from error
    return opset


def _require_standard_operators(path: Path, proto: onnx.ModelProto) -> None:
    others: dict[str, set[str]] = {}
    for node in all_nodes(proto.graph):
        if node.domain not in ("", "ai.onnx"):
            others.setdefault(node.domain, set()).add(node.op_type)
    if not others:
        return
    named = [f"{domain} ({', '.join(sorted(names))})" for domain, names in sorted(others.items())]
    hint = "Export the model with standard operators alone."
    if set(others) == {RUNTIMES_OWN}:
        hint = (
            "Pass the file from before ONNX Runtime optimised it, or export the model again "
            "without optimisation; ONNX Runtime fuses a bundle when it loads it."
        )
    found = f"operators of the domain {', '.join(named)}"
    raise refusal(path, found, "standard ONNX operators only", hint)


def _damaged(path: Path, error: Exception) -> ModelError:
    found = f"a file that is not a whole ONNX model ({error})"
    return refusal(path, found, "an intact file", "Export or copy it again.")
