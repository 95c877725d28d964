"""Whether a bundle's graph is the undefended one plus what was inserted, node by node."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import onnx_ir as ir

from clampdown_calib.graphs.onnx_files.interface import name_logits, widen_inputs
from clampdown_calib.graphs.onnx_files.load_onnx import load_onnx
from clampdown_calib.graphs.tracing.simplify_attention import simplify_attention
from clampdown_exporter.bundle.graph_file import read_graph
from clampdown_exporter.comparison.structure import Structure, structure_of
from clampdown_runtime.bundle.files import open_bundle

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class NodeDifference:
    """A node that one of the graphs has alone.

    Attributes:
        operator: with its domain, where that is not the standard one.
        name: the node's.
        first: no node that it reads from is missing itself, so that the difference begins here.
    """

    operator: str
    name: str
    first: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """An undefended graph beside a bundle's.

    A node is the same where operator and attributes are, and everything that it is computed from,
    back to the inputs by name and the weights by type, shape and bytes.

    Attributes:
        simplified: the undefended graph's attention was rewritten first, as the export rewrites
            what torch traces.
        nodes: how many are the same.
        weights: how many weights and constants are the same.
        missing: nodes of the undefended graph that the bundle's has not.
        missing_weights: names of weights and constants, likewise.
        added: nodes that the bundle's graph has alone.
        added_weights: names of weights and constants, likewise.
        added_inputs: names of inputs, likewise.
        logits: the bundle's value that is computed like the undefended logits; None if none is.
    """

    simplified: bool
    nodes: int
    weights: int
    missing: tuple[NodeDifference, ...]
    missing_weights: tuple[str, ...]
    added: tuple[NodeDifference, ...]
    added_weights: tuple[str, ...]
    added_inputs: tuple[str, ...]
    logits: str | None

    @property
    def whole(self) -> bool:
        """Whether all of the undefended graph is in the bundle's, its logits among it."""
        return not self.missing and not self.missing_weights and self.logits is not None


def compare(undefended: str | Path, bundle: str | Path) -> Comparison:
    """Compare an ONNX classifier with a bundle that was made of it.

    Both are compared as the export reads them: converted to the oldest operator set that the
    defence can be put into, where theirs is older, with int64 inputs and float32 logits. Where
    nodes are missing, the comparison is made again with the attention simplified, since the export
    does that to what torch traces.

    Args:
        undefended: the ONNX file.
        bundle: the bundle's folder.

    Raises:
        ModelError: the ONNX file cannot be read, or has no output that can be the logits.
        BundleError: the bundle is damaged, incomplete or changed.
    """
    path = Path(undefended)
    model = load_onnx(path, control_flow=True)
    opened = open_bundle(bundle)
    name_logits(model, path, classes=None)
    widen_inputs(model)
    defended = _structure(read_graph(opened, valid=False))
    plain = _compared(_structure(model), defended, simplified=False)
    if plain.whole:
        return plain
    simplify_attention(model)
    simple = _compared(_structure(model), defended, simplified=True)
    return min(plain, simple, key=lambda found: len(found.missing))


def _structure(model: ir.Model) -> Structure:
    model.graph.sort()
    return structure_of(model.graph)


def _compared(original: Structure, defended: Structure, *, simplified: bool) -> Comparison:
    missing, nodes = _without(original.nodes, defended.nodes)
    added, _ = _without(defended.nodes, original.nodes)
    missing_weights, weights = _without(original.weights, defended.weights)
    added_weights, _ = _without(defended.weights, original.weights)
    [logits] = [digest for name, digest in original.outputs if name == "logits"]
    return Comparison(
        simplified=simplified,
        nodes=nodes,
        weights=weights,
        missing=_described(missing, original, defended),
        missing_weights=tuple(missing_weights),
        added=_described(added, defended, original),
        added_weights=tuple(added_weights),
        added_inputs=tuple(n for n in defended.inputs if n not in original.inputs),
        logits=defended.names.get(logits),
    )


def _without(
    items: Sequence[tuple[Item, bytes]], other: Sequence[tuple[Item, bytes]]
) -> tuple[list[Item], int]:
    """Items whose digest the other graph has not, or not so often; and how many it has."""
    left = Counter(digest for _, digest in other)
    alone = []
    for item, digest in items:
        if left[digest]:
            left[digest] -= 1
        else:
            alone.append(item)
    return alone, len(items) - len(alone)


def _described(
    nodes: Sequence[ir.Node], graph: Structure, other: Structure
) -> tuple[NodeDifference, ...]:
    return tuple(
        NodeDifference(
            node.op_type if node.domain == "" else f"{node.domain}::{node.op_type}",
            str(node.name),
            all(digest in other.names or digest not in graph.made for digest in graph.reads[node]),
        )
        for node in nodes
    )
