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

STATISTIC = "statistic"
"""Role of the nodes that compute score and verdict."""

LARGEST = 1e30
"""Sum of the magnitudes of what is read, from which a row is flagged whatever its score. No network
comes near it, and it is far from where float32 ends."""


class InsertStatistic(ir.passes.InPlacePass):
    """Scores what the detector reads of the raw layer outputs, and the logits.

    Requires: at least one marked layer; ``logits`` float32 ``[batch, classes]`` as only output.
    Ensures: the outputs are ``logits``, ``anomaly_score`` float32 ``[batch]`` and ``flagged`` bool
    ``[batch]``; ``threshold`` float32 ``[1]`` is an initializer and an input.

    ::

        h_1 … h_L ─ token or token mean ─ Concat ─▶ detector ─▶ score
                             logits ────────────────────┘
        score <= threshold and size < LARGEST ─ Not ─▶ flagged

    A NaN or infinite activation is found in two ways, since not every execution provider keeps the
    rule that no comparison with NaN holds: ``size``, the sum of the magnitudes, is infinite or NaN
    itself, and ``size - size`` is NaN, which is added to the score.
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
        size = self._size(tape, tokens, logits)
        score = tape.op("Add", [raw, tape.op("Sub", [size, size])])
        threshold = tape.initializer(
            ir.tensor(np.array([self.threshold], dtype=np.float32)), THRESHOLD
        )
        largest = tape.initializer(ir.tensor(np.float32(LARGEST)), "clampdown.largest")
        normal = tape.op("LessOrEqual", [score, threshold])
        finite = tape.op("Less", [size, largest])
        flagged = tape.op("Not", [tape.op("And", [normal, finite])])
        append(graph, tape, STATISTIC)
        for value, name, dtype in (
            (score, SCORE, ir.DataType.FLOAT),
            (flagged, FLAGGED, ir.DataType.BOOL),
        ):
            value.name, value.dtype, value.shape = name, dtype, ir.Shape(rows)
            graph.outputs.append(value)
        threshold.dtype, threshold.shape = ir.DataType.FLOAT, ir.Shape([1])
        graph.inputs.append(threshold)
        return ir.passes.PassResult(model, modified=True)

    @staticmethod
    def _size(tape: ir.tape.Tape, tokens: ir.Value, logits: ir.Value) -> ir.Value:
        """The sum of the magnitudes of what is read, float32 ``[batch]``.

        The layers come last: ONNX Runtime orders a graph from its outputs, last inputs first, and
        so reads the layers before the network's last block, while they are in the cache. The other
        way round larger batches took some percent longer.
        """
        neurons = tape.initializer(ir.tensor(np.array([1, 2])), "clampdown.neuron_axes")
        classes = tape.initializer(ir.tensor(np.array([1])), "clampdown.class_axis")
        return tape.op(
            "Add",
            [
                tape.op("ReduceL1", [logits, classes], {"keepdims": 0}),
                tape.op("ReduceL1", [tokens, neurons], {"keepdims": 0}),
            ],
        )

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
