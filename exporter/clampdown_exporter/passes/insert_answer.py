"""Answers rows by a mixture of the model's and its probes' probabilities."""

import numpy as np
import onnx_ir as ir

from clampdown_calib.evidence.answer import Answer
from clampdown_calib.evidence.probes import probed_layers
from clampdown_calib.graphs.insertion import append, constant
from clampdown_calib.graphs.sites import marked_layers
from clampdown_exporter.passes.insert_statistic import FLAGGED, SCORE
from clampdown_exporter.passes.probe_outputs import probe_outputs
from clampdown_runtime.sessions.session import UNDEFENDED_LOGITS


class InsertAnswer(ir.passes.InPlacePass):
    """Replaces the logits of flagged rows, or of every row, by those of the mixture.

    Requires: the outputs ``logits``, ``anomaly_score``, ``flagged``; probes.
    Ensures: the same outputs, and behind them ``undefended_logits``, those of the model itself.

    ::

        probes, their excess, undefended_logits ─ mixture ─▶ answer
        Where(flagged, answer, undefended_logits) ─▶ logits
    """

    def __init__(self, answer: Answer, *, every_row: bool) -> None:
        self.answer = answer
        self.every_row = every_row

    def requires(self, model: ir.Model) -> None:
        """Check that the statistic is there, and that it is one of probes."""
        names = [value.name for value in model.graph.outputs]
        if names[1:] != [SCORE, FLAGGED]:
            raise ir.passes.PreconditionError(f"InsertAnswer: the outputs are {names}")
        if probe_outputs(model.graph) is None:
            raise ir.passes.PreconditionError("InsertAnswer: there are no probes")

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Insert the choice."""
        graph = model.graph
        raw, _, flagged = graph.outputs
        said = probe_outputs(graph)
        if said is None:
            raise ValueError("there are no probes")
        tape = ir.tape.Tape()
        layers = probed_layers(len(marked_layers(graph)))
        logits = self.answer.emit(tape, said.every, said.chosen, said.excess, layers)
        if not self.every_row:
            axis = constant(tape, "answer.flag_axis", np.array([1]))
            logits = tape.op("Where", [tape.op("Unsqueeze", [flagged, axis]), logits, raw])
        append(graph, tape, "answer")
        logits.name, raw.name = raw.name, UNDEFENDED_LOGITS
        logits.type, logits.shape = raw.type, raw.shape
        graph.outputs[0] = logits
        graph.outputs.append(raw)
        return ir.passes.PassResult(model, modified=True)
