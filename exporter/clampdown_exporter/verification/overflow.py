"""Makes a defended graph overflow, to see that it flags every row then."""

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from clampdown_calib.graphs.sites import ROLE
from clampdown_exporter.passes.insert_statistic import STATISTIC
from clampdown_runtime.bundle.manifest import Precision

HALF: tuple[Precision, ...] = ("fp16", "cuda-fp16")
"""Precisions whose layers are of half precision; logits are float32 in all."""


def overflowing(model: ir.Model, precision: Precision) -> Iterator[tuple[str, ir.Model]]:
    """Copies of a graph in which a value that the score is taken from is infinite.

    Args:
        model: a defended graph.
        precision: of the graph.

    Yields:
        What overflows, and the graph in which it does: the first layer that is read, behind which
        the whole network computes with NaN, and the logits alone.
    """
    for place, what in ((0, "a layer"), (-1, "the logits")):
        copy = model.clone()
        value = _read(copy)[place]
        half = precision in HALF and place == 0
        _overflow(value, np.float16 if half else np.float32)
        yield what, copy


def _read(model: ir.Model) -> list[ir.Value]:
    """The network's values that the statistic reads, in order: layers, then the logits."""
    nodes = ir.traversal.RecursiveGraphIterator(model.graph)
    given = (v for n in nodes if n.metadata_props.get(ROLE) == STATISTIC for v in n.inputs)
    produced = ((v, v.producer()) for v in given if v is not None)
    return [v for v, node in produced if node is not None and ROLE not in node.metadata_props]


def _overflow(value: ir.Value, kind: type[np.floating]) -> None:
    """Multiply it twice by the largest number of its type, for all that read it."""
    producer = value.producer()
    if producer is None or producer.graph is None:
        raise ValueError(f"no node gives {value.name}")
    largest = ir.node("Constant", [], {"value": ir.tensor(np.array(np.finfo(kind).max))})
    once = ir.node("Mul", [value, largest.outputs[0]])
    twice = ir.node("Mul", [once.outputs[0], largest.outputs[0]])
    for position, node in enumerate((largest, once, twice)):
        node.name = f"overflow/{position}"
        node.outputs[0].name = f"overflow/{position}:0"
    for reader, index in list(value.uses()):
        reader.replace_input_with(index, twice.outputs[0])
    once.replace_input_with(0, value)
    producer.graph.insert_after(producer, [largest, once, twice])
