"""Runs the network a second time, clipped, on the flagged rows only."""

from collections.abc import Collection, Sequence

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import LiftSubgraphInitializersToMainGraphPass

from clampdown_calib.badacts.insert_clips import CLIP_LOWER, CLIP_UPPER
from clampdown_calib.graphs.insertion import append, constant, prepend
from clampdown_calib.graphs.sites import ROLE, marked_layers
from clampdown_exporter.passes.badacts.shared_prefix import split_at
from clampdown_exporter.passes.insert_statistic import FLAGGED, SCORE, THRESHOLD

COLLECT_LOGITS = "collect-logits"


class SecondPass(ir.passes.InPlacePass):
    """Moves the network behind its first clip into a ``Loop`` of at most two trips.

    The weights stay in the outer graph and are shared by both trips. State of the loop: the first
    layer's output, the model's inputs that the rest reads, the numbers of the rows that they came
    from, the logits and the scores so far.

    Requires: the outputs ``logits``, ``anomaly_score``, ``flagged``; clip nodes behind marked
    layers.
    Ensures: the same inputs and outputs; unflagged rows have the unclipped logits, flagged rows
    the clipped ones, and every score is that of the unclipped run.

    ::

        inputs ─ embeddings ─ first block ─ h_1 ─▶ state     once, all rows
        trip 1   all rows      bounds -inf, +inf    logits, scores ──▶ state
        trip 2   flagged rows  the clean intervals  logits ──ScatterND──▶ state
        (only when a row was flagged)
    """

    def requires(self, model: ir.Model) -> None:
        """Check that the earlier passes ran."""
        names = [value.name for value in model.graph.outputs]
        if names[1:] != [SCORE, FLAGGED]:
            raise ir.passes.PreconditionError(f"SecondPass: the outputs are {names}")
        if not any(node.metadata_props.get(ROLE) == CLIP_LOWER for node in model.graph):
            raise ir.passes.PreconditionError("SecondPass: the graph has no clips")
        _classes(model.graph.outputs[0])

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Build the loop."""
        graph = model.graph
        logits, score, flagged = graph.outputs
        batch = graph.inputs[0].shape[0]  # type: ignore[index]
        threshold = graph.initializers[THRESHOLD]
        hidden = marked_layers(graph)[0]
        graph.outputs.clear()
        nodes = split_at(graph, hidden)
        given = [v for v in (*graph.inputs, hidden) if v is not threshold and _is_read(v, nodes)]
        body = _body(nodes, given, logits, score, flagged)
        *_, final_logits, final_score = _outer(graph, given, body, logits)
        tape = ir.tape.Tape()
        verdict = tape.op("Not", [tape.op("LessOrEqual", [final_score, threshold])])
        append(graph, tape, "verdict")
        # The values inside keep their shapes; the names of the contract go to the outer ones.
        for inner, outer in ((logits, final_logits), (score, final_score), (flagged, verdict)):
            name, inner.name = inner.name, f"clampdown/trip/{inner.name}"
            outer.name, outer.type = name, inner.type
            outer.shape = ir.Shape([batch, *inner.shape[1:]])  # type: ignore[index]
            graph.outputs.append(outer)
        LiftSubgraphInitializersToMainGraphPass()(model)
        return ir.passes.PassResult(model, modified=True)


def _body(
    nodes: list[ir.Node],
    given: list[ir.Value],
    logits: ir.Value,
    score: ir.Value,
    flagged: ir.Value,
) -> ir.Graph:
    number, truth = ir.TensorType(ir.DataType.INT64), ir.TensorType(ir.DataType.BOOL)
    trip = _value("clampdown/trip", number, [])
    going = _value("clampdown/going", truth, [])
    rows = _value("clampdown/rows", number, ["rows"])
    # Without shapes: see HideShapes. Their rows change between the trips in any case.
    states = [ir.Value(name=f"clampdown/state/{v.name}", type=v.type) for v in given]
    logits_state = _value("clampdown/state/logits", logits.type, ["all_rows", _classes(logits)])
    score_state = _value("clampdown/state/score", score.type, ["all_rows"])
    for value, state in zip(given, states, strict=True):
        for node, position in _readers(value, nodes):
            node.replace_input_with(position, state)

    body = ir.Graph(
        inputs=[trip, going, *states, rows, logits_state, score_state],
        outputs=[],
        nodes=nodes,
        name="clampdown_passes",
    )
    first = _gate_clips(body, trip, given[-1])
    tape = ir.tape.Tape()
    column = tape.op("Unsqueeze", [rows, constant(tape, "column", np.array([1]))])
    kept_score = tape.op("Gather", [score_state, rows])
    final_score = tape.op("Where", [first, score, kept_score])
    score_next = tape.op("ScatterND", [score_state, column, final_score])
    again = tape.op("And", [flagged, first])
    most = tape.op(
        "ReduceMax", [tape.op("Cast", [again], {"to": ir.DataType.INT64})], {"keepdims": 0}
    )
    go_on = tape.op("Cast", [most], {"to": ir.DataType.BOOL})
    kept = [tape.op("Compress", [value, again], {"axis": 0}) for value in (*states, rows)]
    logits_next = tape.op(
        "ScatterND",
        [logits_state, column, logits],
        metadata_props={ROLE: COLLECT_LOGITS},
    )
    append(body, tape, "second-pass")
    body.outputs.extend([go_on, *kept, logits_next, score_next])
    for value, state in zip(body.outputs, body.inputs[1:], strict=True):
        value.type, value.shape = state.type, state.shape
    return body


def _gate_clips(body: ir.Graph, trip: ir.Value, hidden: ir.Value) -> ir.Value:
    """Open every bound on the first trip; returns whether this is the first trip.

    Args:
        body: of the loop.
        trip: its number.
        hidden: one of the layers that are clipped.
    """
    tape = ir.tape.Tape()
    zero = constant(tape, "zero", np.array(0))
    first = tape.op("Equal", [trip, zero])
    kind = (hidden.dtype or ir.DataType.FLOAT).numpy()
    ends = {
        CLIP_LOWER: constant(tape, "no_lower_bound", kind.type(-np.inf)),
        CLIP_UPPER: constant(tape, "no_upper_bound", kind.type(np.inf)),
    }
    for node in body:
        open_end = ends.get(node.metadata_props.get(ROLE, ""))
        if open_end is not None:
            gated = tape.op("Where", [first, open_end, node.inputs[1]])
            node.replace_input_with(1, gated)
    prepend(body, tape, "gate")
    return first


def _outer(
    graph: ir.Graph,
    given: list[ir.Value],
    body: ir.Graph,
    logits: ir.Value,
) -> Sequence[ir.Value]:
    """The outputs of the loop, whose first state is every row, no logits and no scores."""
    tape = ir.tape.Tape()
    batch = tape.op("Shape", [given[-1]], {"start": 0, "end": 1})
    zero = constant(tape, "start", np.array(0))
    count = tape.op("Squeeze", [batch, constant(tape, "batch_axis", np.array([0]))])
    rows = tape.op("Range", [zero, count, constant(tape, "step", np.array(1))])
    classes = constant(tape, "classes", np.array([_classes(logits)]))
    shape = tape.op("Concat", [batch, classes], {"axis": 0})
    no_logits = tape.op("ConstantOfShape", [shape])
    no_score = tape.op("ConstantOfShape", [batch])
    results = tape.op_multi_out(
        "Loop",
        [
            constant(tape, "trips", np.array(2)),
            constant(tape, "go", np.array(True)),
            *given,
            rows,
            no_logits,
            no_score,
        ],
        {"body": body},
        num_outputs=len(given) + 3,
    )
    append(graph, tape, "loop")
    return results


def _readers(value: ir.Value, nodes: Collection[ir.Node]) -> list[tuple[ir.Node, int]]:
    return [(use.node, use.idx) for use in value.uses() if use.node in nodes]


def _is_read(value: ir.Value, nodes: Collection[ir.Node]) -> bool:
    return bool(_readers(value, nodes))


def _value(name: str, kind: ir.TypeProtocol | None, shape: list[str | int]) -> ir.Value:
    return ir.Value(name=name, type=kind, shape=ir.Shape(shape))


def _classes(logits: ir.Value) -> int:
    size = None if logits.shape is None else logits.shape[1]
    if not isinstance(size, int):
        raise ir.passes.PreconditionError(f"SecondPass: the logits have the shape {logits.shape}")
    return size
