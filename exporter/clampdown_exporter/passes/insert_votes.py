"""Answers rows by the votes of the earlier layers instead of the last one."""

import numpy as np
import onnx_ir as ir

from clampdown_calib.layer_votes import LayerVotes
from clampdown_calib.purified_logits import Suspicion, emit_purified
from clampdown_exporter.passes.base import append, constant
from clampdown_exporter.passes.insert_statistic import FLAGGED, SCORE
from clampdown_exporter.passes.token_means import token_means
from clampdown_exporter.sites import ROLE, marked_layers

RAW_LOGITS = "reads-undefended-logits"


class InsertVotes(ir.passes.InPlacePass):
    """Replaces the logits of flagged rows, or of every row, by the purified ones.

    Requires: the outputs ``logits``, ``anomaly_score``, ``flagged``; marked layers.
    Ensures: the same outputs.

    ::

        token means ─ votes ─ less the suspicion at argmax(undefended) ─▶ purified
        Where(flagged, purified, undefended) ─▶ logits
    """

    def __init__(self, votes: LayerVotes, suspicion: Suspicion, *, every_row: bool) -> None:
        self.votes = votes
        self.suspicion = suspicion
        self.every_row = every_row

    def requires(self, model: ir.Model) -> None:
        """Check that the statistic is there."""
        names = [value.name for value in model.graph.outputs]
        if names[1:] != [SCORE, FLAGGED]:
            raise ir.passes.PreconditionError(f"InsertVotes: the outputs are {names}")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Insert the choice."""
        graph = model.graph
        raw, score, flagged = graph.outputs
        tape = ir.tape.Tape()
        votes = self.votes.emit(tape, token_means(tape, graph), raw, len(marked_layers(graph)))
        logits = emit_purified(tape, votes, raw, score, self.suspicion)
        for node in tape.nodes:
            if node.inputs[0] is raw:
                node.metadata_props[ROLE] = RAW_LOGITS
        if not self.every_row:
            axis = constant(tape, "votes.class_axis", np.array([1]))
            logits = tape.op("Where", [tape.op("Unsqueeze", [flagged, axis]), logits, raw])
        append(graph, tape, "votes")
        logits.name, raw.name = raw.name, f"clampdown/undefended/{raw.name}"
        logits.type, logits.shape = raw.type, raw.shape
        graph.outputs[0] = logits
        return ir.passes.PassResult(model, modified=True)
