"""An ONNX classifier in ONNX Runtime whose layers can be read while it runs."""

import numpy as np

from clampdown_calib.graphs.large_graphs import open_session
from clampdown_calib.graphs.onnx_graph import OnnxGraph
from clampdown_calib.models.activations import Activations, Inputs
from clampdown_runtime.bundle.manifest import Representation
from clampdown_runtime.errors import BundleError, ModelError, UnsupportedArchitectureError
from clampdown_runtime.sessions.providers import Provider


class OnnxClassifier:
    """Runs a graph with its layers as further outputs; there are no gradients."""

    def __init__(self, graph: OnnxGraph, provider: Provider = "cpu") -> None:
        """Load the graph; ``graph`` itself stays as it is.

        Raises:
            ModelError: ONNX Runtime cannot load it.
            ProviderError: the provider is not usable.
        """
        self._graph = graph
        outputs = graph.model.graph.outputs
        count = len(outputs)
        # The layers as further outputs.
        outputs.extend(graph.layers)
        try:
            self._session = open_session(graph.model, name="the model's graph", provider=provider)
        except BundleError as error:
            raise ModelError(
                "The model's graph",
                found=error.found,
                expected="a whole, valid graph",
                hint="Export the model again.",
            ) from error
        finally:
            del outputs[count:]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Names of the defended layers, in order."""
        return self._graph.layer_names

    @property
    def representation(self) -> Representation:
        """The token that the detector reads."""
        return self._graph.representation

    def activations(self, inputs: Inputs) -> Activations:
        """Run the undefended model on int64 ``[n, T]`` inputs.

        Raises:
            ModelError: the graph fails on them.
            UnsupportedArchitectureError: the layers are not ``[n, T, H]`` of one width.
        """
        shape = inputs["input_ids"].shape
        try:
            logits, *hidden = self._session.run(None, inputs)
        except Exception as error:  # ONNX Runtime's exceptions have no base of their own
            raise ModelError(
                "The model's graph",
                found=f"a failed run of {shape[0]} rows with {shape[1]} tokens ({error})",
                expected="logits",
                hint="Check that tokenizer and config.json belong to this graph.",
            ) from error
        shapes = [layer.shape for layer in hidden]
        if len(set(shapes)) != 1 or shapes[0][:2] != shape or len(shapes[0]) != 3:
            raise UnsupportedArchitectureError(
                f"The layers {', '.join(self.layer_names)}",
                found=f"outputs of the shapes {shapes} for inputs of {shape}",
                expected="[batch, sequence, width] with one width",
                hint="Pass --layers with the names of other tensors.",
            )
        return Activations(logits, [layer.astype(np.float32, copy=False) for layer in hidden])
