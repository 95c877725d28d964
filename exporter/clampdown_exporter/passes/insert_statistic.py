"""Adds the anomaly score, the threshold and the verdict."""

import numpy as np
import onnx_ir as ir

from clampdown_calib.detectors import Detector, Emitted
from clampdown_calib.evidence.probes import probed_layers
from clampdown_calib.graphs.insertion import append
from clampdown_calib.graphs.sites import marked_layers
from clampdown_exporter.passes.token_means import as_float, attention_mask, token_means
from clampdown_runtime.bundle.manifest import Representation

SCORE = "anomaly_score"
FLAGGED = "flagged"
THRESHOLD = "threshold"


class InsertStatistic(ir.passes.InPlacePass):
    """Scores what the detector reads of the raw layer outputs, and the logits.

    Requires: at least one marked layer; ``logits`` float32 ``[batch, classes]`` as only output.
    Ensures: the outputs are ``logits``, ``anomaly_score`` float32 ``[batch]`` and ``flagged`` bool
    ``[batch]``; ``threshold`` float32 ``[1]`` is an initializer and an input.

    ::

        h_1 … h_L ─ token or token mean ─ Concat ─▶ detector ─▶ score
                             logits ────────────────────┘
        score ─ (<= threshold) ─ Not ─▶ flagged

    A NaN or infinite activation makes ``x - x`` NaN, which is added to the score; no comparison
    with NaN holds, so the row is flagged whatever the detector made of it.
    """

    def __init__(
        self, detector: Detector, representation: Representation, threshold: float
    ) -> None:
        self.detector = detector
        self.representation = representation
        self.threshold = threshold

    def requires(self, model: ir.Model) -> None:
        """Check that there are layers to read and logits."""
        if not marked_layers(model.graph):
            raise ir.passes.PreconditionError("InsertStatistic: no layer is marked")
        outputs = [value.name for value in model.graph.outputs]
        if outputs != ["logits"] or model.graph.outputs[0].shape is None:
            raise ir.passes.PreconditionError(
                f"InsertStatistic: the outputs are {outputs}, not logits of a known shape"
            )

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Insert the statistic."""
        graph = model.graph
        logits = graph.outputs[0]
        rows = logits.shape[:1] if logits.shape is not None else ()
        tape = ir.tape.Tape()
        tokens = self._read(tape, graph)
        raw = self.detector.emit(tape, Emitted(tokens, logits))
        neurons = tape.initializer(ir.tensor(np.array([1, 2])), "clampdown.neuron_axes")
        classes = tape.initializer(ir.tensor(np.array([1])), "clampdown.class_axis")
        total = tape.op(
            "Add",
            [
                tape.op("ReduceSum", [logits, classes], {"keepdims": 0}),
                tape.op("ReduceSum", [tokens, neurons], {"keepdims": 0}),
            ],
        )
        score = tape.op("Add", [raw, tape.op("Sub", [total, total])])
        threshold = tape.initializer(
            ir.tensor(np.array([self.threshold], dtype=np.float32)), THRESHOLD
        )
        flagged = tape.op("Not", [tape.op("LessOrEqual", [score, threshold])])
        append(graph, tape, "statistic")
        for value, name, dtype in (
            (score, SCORE, ir.DataType.FLOAT),
            (flagged, FLAGGED, ir.DataType.BOOL),
        ):
            value.name, value.dtype, value.shape = name, dtype, ir.Shape(rows)
            graph.outputs.append(value)
        threshold.dtype, threshold.shape = ir.DataType.FLOAT, ir.Shape([1])
        graph.inputs.append(threshold)
        return ir.passes.PassResult(model, modified=True)

    def _read(self, tape: ir.tape.Tape, graph: ir.Graph) -> ir.Value:
        """What the detector reads, float32 ``[batch, layers, H]``."""
        layers = marked_layers(graph)
        if self.detector.reads == "means":
            return token_means(tape, graph, layers[: probed_layers(len(layers))])
        if self.representation == "first":
            first = tape.initializer(ir.tensor(np.array([0])), "clampdown.first")
            tokens = [tape.op("Gather", [h, first], {"axis": 1}) for h in layers]
        else:
            # Of equal values the last one wins: right for padding on either side.
            real = tape.op("Cast", [attention_mask(graph)], {"to": ir.DataType.FLOAT})
            last = tape.op("ArgMax", [real], {"axis": 1, "keepdims": 1, "select_last_index": 1})
            depth = tape.initializer(ir.tensor(np.array([2])), "clampdown.depth_axis")
            place = tape.op("Unsqueeze", [last, depth])
            tokens = [tape.op("GatherND", [h, place], {"batch_dims": 1}) for h in layers]
        return as_float(tape, tape.op("Concat", tokens, {"axis": 1}), layers[0])
