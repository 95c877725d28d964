"""The model to defend, as a marked graph and as what it was made from."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from clampdown_calib.graphs.hidden_shapes import HideShapes
from clampdown_calib.graphs.onnx_classifier import OnnxClassifier
from clampdown_calib.graphs.onnx_files.read_onnx_graph import read_onnx_graph
from clampdown_calib.graphs.onnx_files.same_as_file import require_same_as_file
from clampdown_calib.graphs.onnx_files.stored_precision import Stored, require_precision
from clampdown_calib.graphs.onnx_graph import OnnxGraph
from clampdown_calib.graphs.sites import mark_layers, marked_layers
from clampdown_calib.graphs.tracing.optimum_trace import trace_with_optimum
from clampdown_calib.graphs.tracing.row_checks import (
    LOWERED,
    TOLERANCE,
    require_one_rope,
    require_padding_ignored,
    require_traced,
)
from clampdown_calib.graphs.tracing.trace import trace
from clampdown_calib.models.activations import ActivationSource
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_calib.models.model_folder import ModelFolder
from clampdown_calib.models.tokenizer.sample_rows import SampleRows
from clampdown_calib.models.tokenizer.token_ids import require_ids_below, require_types_given
from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_calib.options import FitOptions
from clampdown_runtime.bundle.manifest import InputName, Representation
from clampdown_runtime.errors import ExportError
from clampdown_runtime.sessions.providers import Provider


@dataclass(frozen=True, slots=True)
class TracedModel:
    """A graph ready for the passes, and what it is checked against.

    Attributes:
        graph: with the defended layers marked.
        inputs: names of its inputs, in its order.
        layer_names: of the marked layers, in order.
        representation: the token that the published detector reads.
        reference: the undefended model outside the graph: torch, or the original ONNX file; of a
            lowered graph that graph itself.
        torch: the checkpoint; None where the model is an ONNX file.
        stored: the precision in which an ONNX file came; of a checkpoint, which is loaded in
            float32, ``fp32``.
    """

    graph: ir.Model
    inputs: tuple[InputName, ...]
    layer_names: tuple[str, ...]
    representation: Representation
    reference: ActivationSource
    torch: TorchClassifier | None
    stored: Stored = "fp32"

    def source(self, *passes: ir.passes.InPlacePass, provider: Provider = "cpu") -> OnnxClassifier:
        """The graph itself in ONNX Runtime, with its marked layers to read; it stays as it is.

        Its shapes are hidden as in the defended graph, so that both run the same kernels: where
        activations are rounded, a fused kernel's last digit decides between two integers.

        Args:
            passes: applied before; layers that they clip are read before their own clip.
            provider: where it runs.
        """
        graph = self.graph.clone()
        for rewrite in (*passes, HideShapes()):
            rewrite(graph)
        layers = tuple(marked_layers(graph.graph))
        return OnnxClassifier(
            OnnxGraph(graph, self.inputs, layers, self.layer_names, self.representation), provider
        )

    def digest(self) -> str:
        """``sha256:…`` over the nodes and the weights of the graph."""
        graph, digest = self.graph.graph, hashlib.sha256()
        for node in graph:
            digest.update(ir.serde.serialize_node(node).SerializeToString(deterministic=True))
        for name, value in sorted(graph.initializers.items()):
            tensor = value.const_value
            if tensor is None:
                raise ValueError(f"the initializer {name} has no value")
            digest.update(f"{name} {tensor.dtype} {[*tensor.shape]}".encode())
            digest.update(tensor.tobytes())
        return f"sha256:{digest.hexdigest()}"


def trace_model(
    folder: ModelFolder, tokenization: Tokenization, options: FitOptions
) -> TracedModel:
    """Trace a checkpoint in float32, or read an ONNX file in the precision in which it is.

    Raises:
        ModelError: the model cannot be used, or is in another precision than is wanted already.
        UnsupportedArchitectureError: its layers are not known.
        ExportError: it cannot be traced.
    """
    # As far as the configuration says: transformers would fail at the padding alone.
    require_ids_below(folder.config.get("vocab_size"), tokenization, path=folder.tokenizer_path)
    if folder.onnx_file is not None:
        if options.exporter == "optimum":
            raise ExportError(
                f"--exporter optimum for {folder.path}",
                found="a model that is an ONNX graph already",
                expected="a Hugging Face checkpoint",
                hint="Leave --exporter out.",
            )
        read = read_onnx_graph(folder, layers=options.layers, representation=options.representation)
        stored = require_precision(read.model, folder.onnx_file, options.precision)
        own = OnnxClassifier(read)
        require_same_as_file(
            own,
            folder.onnx_file,
            read.inputs,
            read.output,
            stored=stored,
            tokenization=tokenization,
        )
        traced = _marked(read, read.layer_names, own, None, stored)
        fed = dataclasses.replace(tokenization, inputs=traced.inputs)
        require_types_given(traced.inputs, tokenization, path=folder.path)
        # Rows of a quantized graph run alone, without padding, which its scales would span.
        if stored != "int8":
            tolerance = TOLERANCE if stored == "fp32" else LOWERED
            require_padding_ignored(own, fed, SampleRows.of(fed), tolerance=tolerance)
        return traced
    if folder.adapter is not None and options.exporter == "optimum":
        raise ExportError(
            f"--exporter optimum for {folder.adapter.path}",
            found="an adapter, which is merged in memory",
            expected="a checkpoint of its own",
            hint="Leave --exporter out.",
        )
    classifier = TorchClassifier.load(
        folder,
        tokenization.inputs,
        layers=options.layers,
        representation=options.representation,
        samples=SampleRows.of(tokenization),
    )
    embedding = classifier.model.get_input_embeddings()
    rows = getattr(embedding, "num_embeddings", None)
    require_ids_below(rows, tokenization, path=folder.tokenizer_path)
    require_one_rope(classifier.model.config, tokenization.max_length)
    fed = dataclasses.replace(tokenization, inputs=classifier.inputs)
    require_padding_ignored(classifier, fed, classifier.samples, tolerance=TOLERANCE)
    names = classifier.layer_names
    if options.exporter == "optimum":
        read = trace_with_optimum(folder, names, classifier.representation)
        traced = _marked(read, names, classifier, classifier, "fp32")
    else:
        graph = trace(classifier)
        traced = TracedModel(
            graph, classifier.inputs, names, classifier.representation, classifier, classifier
        )
    require_traced(traced.source(), classifier, fed, classifier.samples)
    return traced


def _marked(
    read: OnnxGraph,
    names: Sequence[str],
    reference: ActivationSource,
    torch: TorchClassifier | None,
    stored: Stored,
) -> TracedModel:
    mark_layers(list(read.layers))
    return TracedModel(
        read.model, read.inputs, tuple(names), read.representation, reference, torch, stored
    )
