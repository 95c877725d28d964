"""Runs the network a second time, clipped, on the flagged rows only."""

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import LiftSubgraphInitializersToMainGraphPass

from clampdown_exporter.passes.base import append, constant, prepend
from clampdown_exporter.passes.insert_clips import CLIP_LOWER, CLIP_UPPER
from clampdown_exporter.passes.insert_statistic import FLAGGED, SCORE, THRESHOLD
from clampdown_exporter.sites import ROLE

COLLECT_LOGITS = "collect-logits"


class SecondPass(ir.passes.InPlacePass):
    """Moves the whole network into a ``Loop`` of at most two trips.

    The weights stay in the outer graph and are shared by both trips. State of the loop: the
    model's inputs, the numbers of the rows that they came from, the logits and the scores so far.

    Requires: the outputs ``logits``, ``anomaly_score``, ``flagged``; clip nodes.
    Ensures: the same inputs and outputs; unflagged rows have the unclipped logits, flagged rows
    the clipped ones, and every score is that of the unclipped run.

    ::

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

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Build the loop."""
        graph = model.graph
        logits, score, flagged = graph.outputs
        inputs = [value for value in graph.inputs if value.name != THRESHOLD]
        threshold = graph.initializers[THRESHOLD]
        nodes = list(graph)
        graph.outputs.clear()
        graph.remove(nodes)
        body = _body(nodes, inputs, logits, score, flagged)
        loop = _outer(graph, inputs, body, logits)
        final_logits, final_score = loop.outputs[-2:]
        tape = ir.tape.Tape()
        verdict = tape.op("Not", [tape.op("LessOrEqual", [final_score, threshold])])
        append(graph, tape, "verdict")
        # The values inside keep their shapes; the names of the contract go to the outer ones.
        for inner, outer in ((logits, final_logits), (score, final_score), (flagged, verdict)):
            name, inner.name = inner.name, f"clampdown/trip/{inner.name}"
            outer.name, outer.type = name, inner.type
            outer.shape = ir.Shape([inputs[0].shape[0], *inner.shape[1:]])  # type: ignore[index]
            graph.outputs.append(outer)
        LiftSubgraphInitializersToMainGraphPass()(model)
        return ir.passes.PassResult(model, modified=True)


def _body(
    nodes: list[ir.Node],
    inputs: list[ir.Value],
    logits: ir.Value,
    score: ir.Value,
    flagged: ir.Value,
) -> ir.Graph:
    trip = _value("clampdown/trip", ir.DataType.INT64, [])
    going = _value("clampdown/going", ir.DataType.BOOL, [])
    rows = _value("clampdown/rows", ir.DataType.INT64, ["rows"])
    states = [_value(f"clampdown/state/{v.name}", v.dtype, ["rows", "tokens"]) for v in inputs]
    logits_state = _value("clampdown/state/logits", logits.dtype, ["all_rows", _dimension(logits, 1)])
    score_state = _value("clampdown/state/score", score.dtype, ["all_rows"])
    for value, state in zip(inputs, states, strict=True):
        ir.convenience.replace_all_uses_with(value, state)

    body = ir.Graph(
        inputs=[trip, going, *states, rows, logits_state, score_state],
        outputs=[],
        nodes=nodes,
        name="clampdown_passes",
    )
    first = _gate_clips(body, trip)
    tape = ir.tape.Tape()
    column = tape.op("Unsqueeze", [rows, constant(tape, "column", np.array([1]))])
    kept_score = tape.op("Gather", [score_state, rows])
    final_score = tape.op("Where", [first, score, kept_score])
    score_next = tape.op("ScatterND", [score_state, column, final_score])
    again = tape.op("And", [flagged, first])
    most = tape.op("ReduceMax", [tape.op("Cast", [again], {"to": ir.DataType.INT64})], {"keepdims": 0})
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


def _gate_clips(body: ir.Graph, trip: ir.Value) -> ir.Value:
    """Open every bound on the first trip; returns whether this is the first trip."""
    tape = ir.tape.Tape()
    zero = constant(tape, "zero", np.array(0))
    first = tape.op("Equal", [trip, zero])
    ends = {
        CLIP_LOWER: constant(tape, "no_lower_bound", np.float32(-np.inf)),
        CLIP_UPPER: constant(tape, "no_upper_bound", np.float32(np.inf)),
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
    inputs: list[ir.Value],
    body: ir.Graph,
    logits: ir.Value,
) -> ir.Node:
    """The loop with its first state: every row, no logits and no scores yet."""
    tape = ir.tape.Tape()
    batch = tape.op("Shape", [inputs[0]], {"start": 0, "end": 1})
    zero = constant(tape, "start", np.array(0))
    count = tape.op("Squeeze", [batch, constant(tape, "batch_axis", np.array([0]))])
    rows = tape.op("Range", [zero, count, constant(tape, "step", np.array(1))])
    classes = constant(tape, "classes", np.array([_dimension(logits, 1)]))
    shape = tape.op("Concat", [batch, classes], {"axis": 0})
    no_logits = tape.op("ConstantOfShape", [shape])
    no_score = tape.op("ConstantOfShape", [batch])
    results = tape.op_multi_out(
        "Loop",
        [
            constant(tape, "trips", np.array(2)),
            constant(tape, "go", np.array(True)),
            *inputs,
            rows,
            no_logits,
            no_score,
        ],
        {"body": body},
        num_outputs=len(inputs) + 3,
    )
    append(graph, tape, "second-pass")
    loop = results[0].producer()
    assert loop is not None
    return loop


def _value(name: str, dtype: ir.DataType | None, shape: list[str | int]) -> ir.Value:
    assert dtype is not None
    return ir.Value(name=name, type=ir.TensorType(dtype), shape=ir.Shape(shape))


def _dimension(value: ir.Value, axis: int) -> int:
    """A dimension that has to be known; the loader of models refuses a graph without it."""
    assert value.shape is not None
    size = value.shape[axis]
    assert isinstance(size, int)
    return size
