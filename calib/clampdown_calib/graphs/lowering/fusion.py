"""Fuses a traced graph into the operators that ONNX Runtime's GPU kernels are written for."""

import dataclasses

from onnxscript.rewriter.ort_fusions import optimize_for_ort

from clampdown_calib.difference import largest_difference
from clampdown_calib.graphs.sites import mark_layers, marked_layers
from clampdown_calib.graphs.tracing.traced_model import TracedModel
from clampdown_calib.models.tokenizer.tokenization import Tokenization, pairs_of
from clampdown_runtime.errors import ExportError, ModelError
from clampdown_runtime.tokenizer import pad_batch, type_ids_of

TOLERANCE = 1e-3
"""Of a logit, relative to the larger of it and 1, as for any graph in float32."""

TEXTS = ("a short text", "another one, which has more words, so that the first is padded")
"""What both graphs are compared on."""


def fuse(traced: TracedModel, tokenization: Tokenization) -> TracedModel:
    """The same network with attention, normalisation and GELU as single operators.

    They belong to the domain ``com.microsoft``, which every build of ONNX Runtime has. What
    matches no pattern stays as it is.

    Args:
        traced: in float32.
        tokenization: of its texts.

    Raises:
        ExportError: the rules fail on the graph, the fused one lost a layer, does not run, or gives
            other logits.
    """
    graph = traced.graph.clone()
    outputs = graph.graph.outputs
    count = len(outputs)
    # As outputs, so that no layer disappears in an operator.
    outputs.extend(marked_layers(graph.graph))
    names = [value.name for value in outputs]
    try:
        optimize_for_ort(graph, clear_metadata=True)
    except Exception as error:  # the rules raise whatever their steps raise
        lines = str(error).strip().splitlines() or ["no message"]
        raise _refused(f"{type(error).__name__}: {lines[0]}", "a graph it can fuse") from error
    if [value.name for value in outputs] != names:
        raise _refused(f"the outputs {[value.name for value in outputs]}", f"{names}")
    mark_layers(list(outputs[count:]))
    del outputs[count:]
    fused = dataclasses.replace(traced, graph=graph)
    _require_same_logits(traced, fused, tokenization)
    return fused


def _require_same_logits(
    traced: TracedModel, fused: TracedModel, tokenization: Tokenization
) -> None:
    encoded = tokenization.encoded(pairs_of(TEXTS) if tokenization.text_pair else TEXTS)
    ids, types = [item.ids for item in encoded], type_ids_of(encoded)
    inputs = pad_batch(ids, tokenization.padding, traced.inputs, types)
    before = traced.source().activations(inputs).logits
    try:
        after = fused.source().activations(inputs).logits
    except ModelError as error:
        raise _refused(str(error), "one that runs") from error
    largest = largest_difference(after, before)
    if not largest <= TOLERANCE:
        raise _refused(f"logits that differ by {largest:.2g}", f"at most {TOLERANCE:g}")


def _refused(found: str, expected: str) -> ExportError:
    return ExportError(
        "The graph with fused operators",
        found=found,
        expected=expected,
        hint="Nothing was written. Pass --precision fp16 or fp32, which runs on CUDA, too.",
    )
