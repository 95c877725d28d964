"""Finds the layers of a graph by the names that an exporter gave its nodes."""

import ast
import fnmatch
from collections.abc import Sequence

import onnx_ir as ir

from clampdown_calib.graphs.onnx_files.stored_precision import FLOATS
from clampdown_calib.models.architectures import ARCHITECTURES, INDEX
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_runtime.errors import UnsupportedArchitectureError


def find_layers(
    model: ir.Model, folder: ModelFolder, blocks: str | None, wanted: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[ir.Value, ...]]:
    """The names and the outputs of the layers, in the order of the graph.

    Args:
        model: the graph, with the types of its values.
        folder: the model's.
        blocks: glob over the names of the architecture's blocks, where it is known.
        wanted: indices of blocks, globs over module names, or names of tensors; None for all.

    Raises:
        UnsupportedArchitectureError: there are none, or they are no hidden states of one type.
    """
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


def _unsupported(folder: ModelFolder, found: str) -> UnsupportedArchitectureError:
    return UnsupportedArchitectureError(
        f"The layers of {folder.onnx_file}, architecture {folder.model_type!r}",
        found=found,
        expected=f"a graph whose node names tell the blocks of {', '.join(sorted(ARCHITECTURES))}",
        hint="Pass --layers with the names of the tensors [batch, sequence, width] to defend.",
    )
