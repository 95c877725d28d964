"""What the passes share: nodes recorded on a tape and put in one place of the graph."""

import numpy as np
import onnx_ir as ir

from clampdown_calib.graphs.sites import ROLE


def prepend(graph: ir.Graph, tape: ir.tape.Tape, role: str) -> None:
    """Put the tape's nodes at the start of the graph, and its initializers into it."""
    _register(graph, tape, role)
    graph.insert_before(graph[0], list(tape.nodes))


def insert_after(graph: ir.Graph, value: ir.Value, tape: ir.tape.Tape, role: str) -> None:
    """Put the tape's nodes behind the one that gives ``value``, its initializers into the graph."""
    _register(graph, tape, role)
    node = value.producer()
    if node is None:
        raise ValueError(f"no node gives {value.name}")
    graph.insert_after(node, list(tape.nodes))


def append(graph: ir.Graph, tape: ir.tape.Tape, role: str) -> None:
    """Put the tape's nodes at the end of the graph, and its initializers into it."""
    _register(graph, tape, role)
    graph.extend(tape.nodes)


def constant(tape: ir.tape.Tape, name: str, value: np.ndarray | np.generic) -> ir.Value:
    """An initializer ``clampdown.<name>``."""
    return tape.initializer(ir.tensor(value), f"clampdown.{name}")


def _register(graph: ir.Graph, tape: ir.tape.Tape, role: str) -> None:
    """Name what was recorded; each node carries its role, so that a reader sees what it is for."""
    for value in tape.initializers:
        graph.register_initializer(value)
    for position, node in enumerate(tape.nodes):
        node.metadata_props.setdefault(ROLE, role)
        node.name = f"clampdown/{role}/{position}_{node.op_type}"
        for output in node.outputs:
            output.name = f"{node.name}:{output.index()}"
