"""An ONNX classifier in ONNX Runtime whose layers can be read while it runs."""

import onnx_ir as ir
from clampdown_runtime.providers import import_onnxruntime

from clampdown_calib.activations import Activations, Inputs
from clampdown_calib.architectures import Representation
from clampdown_calib.onnx_graph import OnnxGraph


class OnnxClassifier:
    """Runs a graph with its layers as further outputs; there are no gradients."""

    def __init__(self, graph: OnnxGraph) -> None:
        """Load the graph; ``graph`` itself stays as it is."""
        self._graph = graph
        outputs = graph.model.graph.outputs
        count = len(outputs)
        outputs.extend(graph.layers)
        try:
            data = ir.to_proto(graph.model).SerializeToString()
        finally:
            del outputs[count:]
        runtime = import_onnxruntime()
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(
            data, options, providers=["CPUExecutionProvider"]
        )

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the defended layers, in order."""
        return self._graph.layer_names

    @property
    def representation(self) -> Representation:
        """The token that the detector reads."""
        return self._graph.representation

    def activations(self, inputs: Inputs) -> Activations:
        """Run the undefended model on int64 ``[n, T]`` inputs."""
        logits, *hidden = self._session.run(None, inputs)
        return Activations(logits, hidden)
