"""Reads an ONNX classifier that somebody else exported, and finds its layers."""

import ast
import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
import onnx.version_converter
import onnx_ir as ir
import onnx_ir.passes.common as common
from clampdown_runtime.errors import ModelError, UnsupportedArchitectureError

from clampdown_calib.architectures import ARCHITECTURES, Representation
from clampdown_calib.model_folder import ModelFolder

OLDEST_OPSET = 18
NEWEST_OPSET = 20
IR_VERSION = 10
"""What runtimes that are still in use read; older operator sets lack operators of the defence."""

INPUTS = ("input_ids", "attention_mask", "token_type_ids")


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """A classifier's graph with its defended layers.

    Attributes:
        model: the graph, without the metadata of its exporter.
        inputs: names of its inputs, in its order.
        layers: the output of every defended layer, in order.
        layer_names: their names.
        representation: the token that the detector reads.
    """

    model: ir.Model
    inputs: tuple[str, ...]
    layers: tuple[ir.Value, ...]
    layer_names: tuple[str, ...]
    representation: Representation


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
        ModelError: the file is damaged, reads files outside its folder, uses operators of another
            domain or an unsupported version, or is not a text classifier.
        UnsupportedArchitectureError: its layers cannot be found.
    """
    path = folder.onnx_file
    assert path is not None
    model = _load(path)
    _require_classifier(model, path)
    known = ARCHITECTURES.get(folder.model_type)
    names, values = _find_layers(model, folder, known.blocks if known else None, layers)
    inputs = tuple(str(value.name) for value in model.graph.inputs)
    strip_metadata(model)
    return OnnxGraph(
        model, inputs, values, names, representation or (known.representation if known else "first")
    )


def _load(path: Path) -> ir.Model:
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf raises its own kinds
        raise _bad(path, f"a file that is not a whole ONNX model ({error})", "an intact file",
                   "Export or copy it again.") from error
    for tensor in _tensors(proto.graph):
        places = [entry.value for entry in tensor.external_data if entry.key == "location"]
        for place in places:
            target = (path.parent / place).resolve()
            if not target.is_relative_to(path.parent.resolve()):
                raise _bad(path, f"weights in {place!r}, outside its folder",
                           "external data beside the model", "Do not load this file: a model has "
                           "no reason to read elsewhere.")
            if not target.is_file():
                raise _bad(path, f"no file {place!r}, in which its weights should be",
                           "all external data beside the model", "Copy the whole folder again.")
    domains = {node.domain for node in _nodes(proto.graph)} - {"", "ai.onnx"}
    if domains:
        raise _bad(path, f"operators of the domain {', '.join(sorted(domains))}",
                   "standard ONNX operators only", "Export the model without optimisation for one "
                   "runtime.")
    opset = max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=0)
    if opset > NEWEST_OPSET:
        raise _bad(path, f"operator set {opset}", f"at most {NEWEST_OPSET}",
                   f"Export the model again with opset {NEWEST_OPSET}.")
    model = ir.load(path)
    if opset < OLDEST_OPSET:
        loaded = onnx.load(str(path))
        try:
            converted = onnx.version_converter.convert_version(loaded, OLDEST_OPSET)
        except Exception as error:
            raise _bad(path, f"operator set {opset}, which cannot be converted ({error})",
                       f"{OLDEST_OPSET} to {NEWEST_OPSET}",
                       f"Export the model again with opset {OLDEST_OPSET}.") from error
        model = ir.from_proto(converted)
    # In memory, so that the graph outlives its file.
    ir.external_data.load_to_model(model)
    model.ir_version = min(model.ir_version, IR_VERSION)
    return model


def _require_classifier(model: ir.Model, path: Path) -> None:
    inputs = [value.name for value in model.graph.inputs]
    outputs = {value.name: value for value in model.graph.outputs}
    if not {"input_ids", "attention_mask"} <= set(inputs) <= set(INPUTS):
        raise _bad(path, f"the inputs {inputs}", f"input_ids, attention_mask and perhaps {INPUTS[2]}",
                   "Export the model as a text classifier.")
    if "logits" not in outputs:
        raise _bad(path, f"the outputs {sorted(map(str, outputs))}", "an output `logits`",
                   "Export it with the task text-classification.")
    shape = outputs["logits"].shape
    if shape is None or len(shape) != 2 or not isinstance(shape[1], int):
        raise _bad(path, f"logits of the shape {shape}", "[batch, a fixed number of classes]",
                   "Export the model as a text classifier.")
    if len(outputs) > 1:
        del model.graph.outputs[:]
        model.graph.outputs.append(outputs["logits"])


def _find_layers(
    model: ir.Model, folder: ModelFolder, blocks: str | None, wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[ir.Value, ...]]:
    by_block = _block_outputs(model.graph)
    tensors = {str(v.name): v for node in model.graph for v in node.outputs}
    found = [name for name in by_block if blocks and _ends_with(name, blocks)]
    names: list[str] = []
    for want in wanted or ():
        if want in tensors:
            names.append(want)
        elif want.lstrip("-").isdigit():
            if not -len(found) <= int(want) < len(found):
                raise _unsupported(folder, f"{len(found)} blocks, and --layers {want}")
            names.append(found[int(want)])
        else:
            names += [name for name in by_block if _ends_with(name, want)]
    names = names if wanted else found
    values = [by_block.get(name, tensors.get(name)) for name in names]
    if not values or folder.model_type == "albert" and not wanted:
        raise _unsupported(folder, "no layers that can be told apart by name")
    order = {value: i for i, value in enumerate(tensors.values())}
    pairs = sorted({n: v for n, v in zip(names, values, strict=True) if v}.items(),
                   key=lambda pair: order[pair[1]])
    return tuple(n for n, _ in pairs), tuple(v for _, v in pairs)


def _block_outputs(graph: ir.Graph) -> dict[str, ir.Value]:
    """The last value of every module scope that a node outside the scope reads."""
    scopes = {node: _scope(node) for node in graph}
    outputs: dict[str, ir.Value] = {}
    for node, scope in scopes.items():
        for depth in range(1, len(scope) + 1):
            prefix = scope[:depth]
            for value in node.outputs:
                if any(scopes.get(user, ())[:depth] != prefix for user, _ in value.uses()):
                    outputs[".".join(prefix)] = value
    return outputs


def _scope(node: ir.Node) -> tuple[str, ...]:
    """The modules that a node was traced in, outermost first, one entry per dotted part."""
    recorded = node.metadata_props.get("pkg.torch.onnx.name_scopes")
    if recorded:
        names = [name for name in ast.literal_eval(recorded)[:-1] if name]
        return tuple(names[-1].split(".")) if names else ()
    # torch's older exporter and Optimum write the scope as a path: /bert/encoder/layer.0/…/Add_1
    path = (node.name or "").strip("/").split("/")[:-1]
    return tuple(part for name in path for part in re.split(r"\.", name))


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


def _nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    found = []
    for node in graph.node:
        found.append(node)
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                found += _nodes(inner)
    return found


def _tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    attributes = [a for node in _nodes(graph) for a in node.attribute]
    inner = [t for a in attributes for t in (a.t, *a.tensors)]
    nested = [t for a in attributes for g in (a.g, *a.graphs) for t in g.initializer]
    return [*graph.initializer, *inner, *nested]


def _bad(path: Path, found: str, expected: str, do: str) -> ModelError:
    return ModelError(f"The ONNX model {path}", found=found, expected=expected, do=do)


def _unsupported(folder: ModelFolder, found: str) -> UnsupportedArchitectureError:
    return UnsupportedArchitectureError(
        f"The layers of {folder.onnx_file}, architecture {folder.model_type!r}",
        found=found,
        expected=f"a graph whose node names tell the blocks of {', '.join(sorted(ARCHITECTURES))}",
        do="Pass --layers with the names of the tensors [batch, sequence, width] to defend.",
    )
