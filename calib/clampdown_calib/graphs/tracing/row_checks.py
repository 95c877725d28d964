"""Whether a model's answer to a row depends on nothing but the row, and is that of its graph."""

from collections.abc import Sequence
from typing import Any

from clampdown_calib.difference import largest_difference
from clampdown_calib.models.activations import Activations, ActivationSource
from clampdown_calib.models.tokenizer.sample_rows import SampleRows
from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_runtime.errors import ExportError, UnsupportedArchitectureError
from clampdown_runtime.tokenizer import pad_batch

TOLERANCE = 1e-3
"""Of a float32 value, relative to the larger of it and 1."""

LOWERED = 1e-1
"""Of a value of an ONNX file in half precision, likewise."""

FILLING = 8
"""Padding tokens, as many as would change a convolution's or a window's reach."""


def require_padding_ignored(
    source: ActivationSource, tokenization: Tokenization, rows: SampleRows, *, tolerance: float
) -> None:
    """Refuse a model to which the padding of a row is a part of it.

    Rows are run in batches, each filled up to the longest, so that an answer would depend on the
    other rows of a batch.

    Raises:
        UnsupportedArchitectureError: logits or a layer's tokens differ once a row is padded.
    """
    filling = min(FILLING, tokenization.max_length - 1)
    length = min(len(rows.short), tokenization.max_length - filling)
    row = [*rows.short[: length - 1], rows.short[-1]]
    types = rows.short_types and [*rows.short_types[: length - 1], rows.short_types[-1]]
    alone = _run(source, tokenization, row, types, filling=0)
    difference = _difference(_run(source, tokenization, row, types, filling=filling), alone)
    if not difference <= tolerance:
        raise UnsupportedArchitectureError(
            "The model",
            found=f"results for a row that change by {difference:.2g} once the row is padded, as "
            "it is beside a longer one",
            expected="a row's own results, whatever its batch: a model whose attention_mask hides "
            "padding from every layer",
            hint="Its convolutions, downsampling or landmarks read the padding. Fine-tune an "
            "architecture that docs/models.md lists as defended.",
        )


def require_one_rope(config: Any, max_length: int) -> None:  # noqa: ANN401 - of transformers
    """Refuse rotary positions that take other frequencies for longer rows.

    A graph has one set of them, and where they change may be far beyond the rows that are tried.

    Raises:
        UnsupportedArchitectureError: a row can be so long.
    """
    rope = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    given = [rope, *(part for part in rope.values() if isinstance(part, dict))]
    for part in given:
        changes = part.get(
            "original_max_position_embeddings",
            getattr(config, "original_max_position_embeddings", None),
        )
        if part.get("rope_type") == "longrope" and changes and max_length > changes:
            raise UnsupportedArchitectureError(
                f"The architecture {config.model_type!r}",
                found=f"other frequencies of its positions for texts of more than {changes} "
                "tokens (rope_type longrope)",
                expected="the same for all lengths, since a graph has one set of them",
                hint=f"Set model_max_length to {changes} in tokenizer_config.json.",
            )


def require_traced(
    graph: ActivationSource,
    model: ActivationSource,
    tokenization: Tokenization,
    rows: SampleRows,
) -> None:
    """Refuse a graph that gives other results than its model, in short rows or in long ones.

    A trace follows one row. What a model does for longer ones only, such as other frequencies of
    its rotary positions, is not in it.

    Raises:
        ExportError: logits or layers differ.
    """
    short, long = (rows.short, rows.short_types), (rows.long, rows.long_types)
    for (row, types), filling in ((short, 0), (short, FILLING), (long, 0)):
        if len(row) + filling > tokenization.max_length:
            continue
        found, expected = (
            _run(source, tokenization, row, types, filling=filling) for source in (graph, model)
        )
        difference = _difference(found, expected)
        if not difference <= TOLERANCE:
            raise ExportError(
                "The traced graph",
                found=f"results for a row of {len(row)} tokens that differ from the model's by "
                f"{difference:.2g}",
                expected=f"at most {TOLERANCE:g} of the value",
                hint="The model computes rows of different lengths in different ways, or is "
                "traced wrongly. Set a shorter model_max_length in tokenizer_config.json, try the "
                "other --exporter, or report the architecture.",
            )


def _run(
    source: ActivationSource,
    tokenization: Tokenization,
    row: Sequence[int],
    types: Sequence[int] | None,
    *,
    filling: int,
) -> Activations:
    """The results of one row with so many padding tokens behind it, without theirs."""
    padding = tokenization.padding
    longer = [padding.token_id] * (len(row) + filling)
    type_ids = None if types is None else [types, [0] * len(longer)]
    batch = pad_batch([row, longer], padding, tokenization.inputs, type_ids)
    run = source.activations({name: values[:1] for name, values in batch.items()})
    # What a layer makes of padding is never read, and may be anything.
    return Activations(run.logits, [layer[:, : len(row)] for layer in run.hidden])


def _difference(found: Activations, expected: Activations) -> float:
    """The largest of logits and layers.

    What is finite on neither side is refused where the clean rows are run, with the layer's name.
    """
    pairs = [(found.logits, expected.logits), *zip(found.hidden, expected.hidden, strict=True)]
    return max(largest_difference(one, other) for one, other in pairs)
