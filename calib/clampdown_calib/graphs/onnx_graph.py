"""Reads an ONNX classifier that somebody else exported, and finds its layers."""

import ast
import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx.version_converter
import onnx_ir as ir
from onnx_ir.passes import common

from clampdown_calib.graphs.onnx_interface import INPUTS, LOGITS, use_interface
from clampdown_calib.graphs.onnx_refusal import refusal
from clampdown_calib.graphs.stored_precision import FLOATS, require_known_types
from clampdown_calib.models.architectures import ARCHITECTURES, INDEX
from clampdown_calib.models.external_data import (
    all_nodes,
    external_places,
    is_file,
    is_inside,
    weight_bytes,
)
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_runtime.bundle.manifest import InputName, Representation
from clampdown_runtime.errors import ModelError, UnsupportedArchitectureError

OLDEST_OPSET = 18
NEWEST_OPSET = 20
IR_VERSION = 10
"""What runtimes that are still in use read; older operator sets lack operators of the defence."""

CONTROL_FLOW = {"If", "Loop", "Scan"}

RUNTIMES_OWN = "com.microsoft"
"""The domain into which ONNX Runtime fuses operators, for itself alone."""

LARGEST_GRAPH = 2**31 - 2**24
"""Bytes of weights; protobuf ends at 2 GiB, names and nodes included."""


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A classifier's graph with its defended layers.

    Attributes:
        model: the graph, without the metadata of its exporter.
        inputs: names of its inputs, in its order.
        layers: the output of every defended layer, in order.
        layer_names: their names.
        representation: the token that the detector reads.
        output: what the logits are called in the file.
    """

    model: ir.Model
    inputs: tuple[InputName, ...]
    layers: tuple[ir.Value, ...]
    layer_names: tuple[str, ...]
    representation: Representation
    output: str = LOGITS


def read_onnx_graph(
    folder: ModelFolder,
    *,
    layers: Sequence[str] | None = None,
    representation: Representation | None = None,
) -> OnnxGraph:
    """Read and check the graph and find the layers.

    Args:
        folder: an ``onnx`` model folder.
        layers: indices into the architecture's blocks, globs over module names, or names of
            tensors; None for every block of a known architecture.
        representation: None for the architecture's own.

    Raises:
        ModelError: the file is damaged or too large, reads files outside its folder, uses operators
            of another domain or an unsupported version, or is not a text classifier.
        UnsupportedArchitectureError: its layers cannot be found.
    """
    path = folder.onnx_file
    if path is None:
        raise ValueError(f"{folder.path} is not an ONNX model folder")
    model = load_onnx(path)
    require_known_types(model, path)
    output = use_interface(model, path, classes=len(folder.labels))
    known = ARCHITECTURES.get(folder.model_type)
    names, values = _find_layers(model, folder, known.blocks if known else None, layers)
    inputs = tuple(name for value in model.graph.inputs for name in INPUTS if name == value.name)
    strip_metadata(model)
    representation = representation or (known.representation if known else "first")
    return OnnxGraph(model, inputs, values, names, representation, output)


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
    _require_small(path, path.stat().st_size)
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises its own kinds
        raise _damaged(path, error) from error
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
    # Before anything is read, and before rows are run for hours.
    _require_small(path, weight_bytes(proto))
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


def _require_small(path: Path, size: int) -> None:
    if size > LARGEST_GRAPH:
        raise refusal(
            path,
            f"{size / 2**30:.1f} GB of weights",
            f"at most {LARGEST_GRAPH / 2**30:.1f} GB, what a bundle's one file can hold",
            "Distil the classifier into a smaller one.",
        )


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


def _find_layers(
    model: ir.Model, folder: ModelFolder, blocks: str | None, wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[ir.Value, ...]]:
    by_block = _block_outputs(model.graph)
    tensors = {str(v.name): v for node in model.graph for v in node.outputs}
    found = [name for name in by_block if blocks and _ends_with(name, blocks)]
    if not wanted and (not found or folder.model_type == "albert"):
        raise _unsupported(folder, "no layers that can be told apart by name")
    chosen: dict[ir.Value, str] = {}
    for want in wanted or found:
        index = int(want) if INDEX.fullmatch(want) else None
        if index is not None and -len(found) <= index < len(found):
            names = [found[index]]
        elif want in by_block or want in tensors:
            names = [want]
        elif index is not None:
            raise _unsupported(folder, f"{len(found)} blocks, and --layers {want}")
        else:
            names = [name for name in by_block if _ends_with(name, want)]
        if not names:
            raise _unsupported(folder, f"nothing that --layers {want} names")
        for name in names:
            chosen.setdefault(by_block[name] if name in by_block else tensors[name], name)
    for value, name in chosen.items():
        if not _is_hidden_state(value):
            found_there = f"{value.dtype} of the shape {value.shape} at --layers {name}"
            raise _unsupported(folder, found_there)
    if len(kinds := {value.dtype or ir.DataType.FLOAT for value in chosen}) > 1:
        several = " and ".join(sorted(kind.name.lower() for kind in kinds))
        raise _unsupported(folder, f"layers of several types, {several}")
    order = {value: i for i, value in enumerate(tensors.values())}
    values = tuple(sorted(chosen, key=order.__getitem__))
    return tuple(chosen[value] for value in values), values


def _is_hidden_state(value: ir.Value) -> bool:
    """Whether a value may be float ``[batch, sequence, width]``: what is not known passes."""
    shape = value.shape
    return value.dtype in (None, *FLOATS) and (shape is None or len(shape) == 3)


def _block_outputs(graph: ir.Graph) -> dict[str, ir.Value]:
    """The last hidden state of every module scope that a node outside the scope reads."""
    scopes = {node: _scope(node) for node in graph}
    outputs: dict[str, ir.Value] = {}
    for node, scope in scopes.items():
        for depth in range(1, len(scope) + 1):
            prefix = scope[:depth]
            for value in node.outputs:
                readers = {scopes.get(user, ())[:depth] for user, _ in value.uses()}
                if readers - {prefix} and _is_hidden_state(value):
                    outputs[".".join(prefix)] = value
    return outputs


def _scope(node: ir.Node) -> tuple[str, ...]:
    """The modules that a node was traced in, outermost first, one entry per dotted part."""
    recorded = node.metadata_props.get("pkg.torch.onnx.name_scopes")
    if recorded:
        try:
            names = [str(name) for name in ast.literal_eval(recorded)[:-1] if name]
        except (SyntaxError, TypeError, ValueError):
            return ()
        return tuple(names[-1].split(".")) if names else ()
    # torch's older exporter and Optimum write the scope as a path: /bert/encoder/layer.0/…/Add_1
    path = (node.name or "").strip("/").split("/")[:-1]
    return tuple(part for name in path for part in name.split("."))


def _ends_with(name: str, glob: str) -> bool:
    parts, patterns = name.split("."), glob.split(".")
    tail = parts[-len(patterns) :]
    return len(tail) == len(patterns) and all(map(fnmatch.fnmatchcase, tail, patterns))


def strip_metadata(model: ir.Model) -> None:
    """Remove what exporters leave: it can hold local paths and source code."""
    common.ClearMetadataAndDocStringPass()(model)
    model.metadata_props.clear()
    model.doc_string = None
    for node in ir.traversal.RecursiveGraphIterator(model.graph):
        for value in node.outputs:
            value.metadata_props.clear()
            value.doc_string = None
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
        value.doc_string = None


def _damaged(path: Path, error: Exception) -> ModelError:
    found = f"a file that is not a whole ONNX model ({error})"
    return refusal(path, found, "an intact file", "Export or copy it again.")


def _unsupported(folder: ModelFolder, found: str) -> UnsupportedArchitectureError:
    return UnsupportedArchitectureError(
        f"The layers of {folder.onnx_file}, architecture {folder.model_type!r}",
        found=found,
        expected=f"a graph whose node names tell the blocks of {', '.join(sorted(ARCHITECTURES))}",
        hint="Pass --layers with the names of the tensors [batch, sequence, width] to defend.",
    )
