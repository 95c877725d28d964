"""Clips every defended layer's output into its clean interval."""

import onnx_ir as ir

from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.graphs.insertion import constant, insert_after
from clampdown_calib.graphs.sites import ROLE, marked_layers

CLIP_LOWER = "clip-lower"
CLIP_UPPER = "clip-upper"


class InsertClips(ir.passes.InPlacePass):
    """Inserts ``Max`` and ``Min`` with one bound per neuron.

    ONNX ``Clip`` takes scalar bounds only; a vector passes the checker and fails at run time.

    Requires: one marked layer per row of the intervals, ``[batch, sequence, H]``.
    Ensures: all that read a layer's output read the clipped value; the mark stays on the raw one.

    ::

        block ── h ──▶ readers      becomes      block ── h ─ Max ─ Min ──▶ readers
                                                              │     │
                                                            lower upper
    """

    def __init__(self, intervals: Intervals) -> None:
        self.intervals = intervals

    def requires(self, model: ir.Model) -> None:
        """Check that the intervals fit the marked layers."""
        layers = marked_layers(model.graph)
        if len(layers) != len(self.intervals.lower):
            raise ir.passes.PreconditionError(
                f"InsertClips: {len(layers)} layers are marked, "
                f"the intervals have {len(self.intervals.lower)}"
            )
        width = self.intervals.lower.shape[1]
        for hidden in layers:
            if hidden.shape is not None and hidden.shape[-1] != width:
                raise ir.passes.PreconditionError(
                    f"InsertClips: {hidden.name} has the shape {hidden.shape}, "
                    f"the intervals {width} neurons"
                )

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Insert the clips."""
        for index, hidden in enumerate(marked_layers(model.graph)):
            readers = list(hidden.uses())
            tape = ir.tape.Tape()
            kind = (hidden.dtype or ir.DataType.FLOAT).numpy()
            lower = constant(tape, f"lower.{index}", self.intervals.lower[index].astype(kind))
            upper = constant(tape, f"upper.{index}", self.intervals.upper[index].astype(kind))
            raised = tape.op("Max", [hidden, lower], metadata_props={ROLE: CLIP_LOWER})
            clipped = tape.op("Min", [raised, upper], metadata_props={ROLE: CLIP_UPPER})
            for value in (raised, clipped):
                value.shape, value.type = hidden.shape, hidden.type
            insert_after(model.graph, hidden, tape, f"clip/{index}")
            for node, position in readers:
                node.replace_input_with(position, clipped)
        return ir.passes.PassResult(model, modified=True)
