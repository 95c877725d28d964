"""From a torch classifier to an ONNX graph in which the defended layers' outputs are marked."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir
import torch

from clampdown_calib.graphs.format_limits import IR_VERSION, NEWEST_OPSET
from clampdown_calib.graphs.sites import mark_layers
from clampdown_calib.graphs.strip_metadata import strip_metadata
from clampdown_calib.graphs.tracing.simplify_attention import simplify_attention
from clampdown_calib.models.checkpoint.torch_classifier import TorchClassifier
from clampdown_runtime.errors import ExportError


class _WithLayers(torch.nn.Module):
    """Returns the logits and every defended layer's output, so that the trace names them all."""

    def __init__(self, classifier: TorchClassifier) -> None:
        super().__init__()
        self.model = classifier.model
        self._classifier = classifier

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        hidden: dict[int, torch.Tensor] = {}
        with self._classifier.visiting(hidden.__setitem__):
            logits = self._classifier.logits(inputs)
        return (logits, *(hidden[k] for k in range(len(hidden))))


def trace(classifier: TorchClassifier) -> ir.Model:
    """Trace by torch's exporter.

    Args:
        classifier: the model; its weights end up in the graph's initializers.

    Returns:
        A model with the inputs int64 ``[batch, sequence]``, the output ``logits`` float32
        ``[batch, classes]`` and one marked value per defended layer.

    Raises:
        ExportError: torch cannot trace the model.
    """
    # Of two rows, since of one the trace would hold for one only.
    rows = torch.tensor([classifier.samples.short] * 2)
    values = {"input_ids": rows, "attention_mask": torch.ones_like(rows)}
    inputs = {name: values.get(name, torch.zeros_like(rows)) for name in classifier.inputs}
    batch, sequence = torch.export.Dim("batch"), torch.export.Dim("sequence")
    layers = [f"clampdown_layer_{k}" for k in range(len(classifier.layers))]
    try:
        with _quiet_torch():
            program = torch.onnx.export(
                _WithLayers(classifier).eval(),
                kwargs=inputs,
                input_names=list(inputs),
                output_names=["logits", *layers],
                dynamic_shapes={name: {0: batch, 1: sequence} for name in inputs},
                opset_version=NEWEST_OPSET,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # torch's exporter wraps whatever the model's code raises
        # torch says which of its steps failed; the reason is what that one raised.
        reason = error.__cause__ or error
        lines = str(reason).strip().splitlines() or ["no message"]
        raise ExportError(
            f"The trace of {classifier.model.config.model_type!r}",
            found=f"{type(reason).__name__}: {lines[0]}",
            expected="a model that torch.onnx.export can trace",
            hint="Export it to ONNX yourself and pass that folder, with --layers.",
        ) from error
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    model = program.model
    model.ir_version = IR_VERSION
    strip_metadata(model)
    mark_layers(list(model.graph.outputs[1:]))
    del model.graph.outputs[1:]
    simplify_attention(model)
    return model


@contextlib.contextmanager
def _quiet_torch() -> Iterator[None]:
    """Keep the tracer's progress and its advice to torch's developers out of the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), Path(os.devnull).open("w") as nowhere:
        warnings.simplefilter("ignore")
        try:
            with contextlib.redirect_stdout(nowhere):
                yield
        finally:
            logger.setLevel(level)
