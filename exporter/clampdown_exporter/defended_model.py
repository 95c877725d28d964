"""The model to defend, as a marked graph and, where it has one, as the torch model beside it."""

from dataclasses import dataclass

import onnx_ir as ir

from clampdown_calib.activations import ActivationSource
from clampdown_calib.artefact import CalibrationFacts
from clampdown_calib.intervals import Intervals
from clampdown_calib.model_folder import ModelFolder
from clampdown_calib.onnx_classifier import OnnxClassifier
from clampdown_calib.onnx_graph import OnnxGraph, read_onnx_graph
from clampdown_calib.tokenization import Tokenization
from clampdown_calib.torch_classifier import TorchClassifier
from clampdown_exporter.optimum_trace import trace_with_optimum
from clampdown_exporter.passes.hidden_shapes import HideShapes
from clampdown_exporter.passes.insert_clips import InsertClips
from clampdown_exporter.sites import mark_layers, marked_layers
from clampdown_exporter.trace import trace
from clampdown_runtime.errors import CalibrationError, ExportError
from clampdown_runtime.manifest import InputName


@dataclass(frozen=True, slots=True)
class TracedModel:
    """A graph ready for the passes, and what it is checked against.

    Attributes:
        graph: with the defended layers marked.
        inputs: names of its inputs, in its order.
        reference: the undefended model outside the graph: torch, or the original ONNX file.
    """

    graph: ir.Model
    inputs: tuple[InputName, ...]
    reference: ActivationSource

    def source(self, facts: CalibrationFacts, *, clip: Intervals | None = None) -> ActivationSource:
        """The graph itself in ONNX Runtime, with its marked layers to read; it stays as it is.

        Its shapes are hidden as in the defended graph, so that both run the same kernels: where
        activations are rounded, a fused kernel's last digit decides between two integers.

        Args:
            facts: of the calibration.
            clip: intervals into which every layer is clipped; it is read before its own clip.
        """
        graph = self.graph.clone()
        if clip is not None:
            InsertClips(clip)(graph)
        HideShapes()(graph)
        layers = tuple(marked_layers(graph.graph))
        return OnnxClassifier(
            OnnxGraph(graph, self.inputs, layers, facts.layers, facts.representation)
        )


def trace_model(
    folder: ModelFolder, tokenization: Tokenization, facts: CalibrationFacts, *, optimum: bool
) -> TracedModel:
    """Trace or read the model with the calibration's layers.

    Raises:
        CalibrationError: the model's layers are not those of the calibration.
        ModelError: the model cannot be used.
        ExportError: it cannot be traced.
    """
    layers, token = facts.layers, facts.representation
    if folder.kind == "onnx":
        if optimum:
            raise ExportError(
                f"--exporter optimum for {folder.path}",
                found="a model that is an ONNX graph already",
                expected="a Hugging Face checkpoint",
                do="Leave --exporter out.",
            )
        read = read_onnx_graph(folder, layers=layers, representation=token)
        return _marked(read, OnnxClassifier(read), facts)
    classifier = TorchClassifier.load(
        folder, tokenization.inputs, layers=layers, representation=token
    )
    if optimum:
        return _marked(trace_with_optimum(folder, facts), classifier, facts)
    _require_layers(classifier.layer_names, facts)
    return TracedModel(trace(classifier), classifier.inputs, classifier)


def _marked(read: OnnxGraph, reference: ActivationSource, facts: CalibrationFacts) -> TracedModel:
    if len(read.layers) != len(facts.layers):
        _require_layers(read.layer_names, facts)
    mark_layers(list(read.layers))
    return TracedModel(read.model, read.inputs, reference)


def _require_layers(found: tuple[str, ...], facts: CalibrationFacts) -> None:
    if found != facts.layers:
        raise CalibrationError(
            "The calibration's layers",
            found=", ".join(facts.layers),
            expected=f"layers of this model: {', '.join(found)}",
            do="Calibrate this model again.",
        )
