"""Which tensors of a checkpoint may stay unread, and which mean that another model was trained."""

from collections.abc import Iterable

HEADS = frozenset(
    {
        "cls",
        "discriminator_predictions",
        "embed_out",
        "generator_lm_head",
        "generator_predictions",
        "lm_head",
        "lm_predictions",
        "mask_predictions",
        "mlm",
        "predictions",
        "qa_outputs",
        "sop_classifier",
        "vocab_layer_norm",
        "vocab_projector",
        "vocab_transform",
    }
)
"""Modules beside the encoder in which pre-training, or another task, kept its head."""

WHOLE_NAMES = frozenset({"decoder.bias", "decoder.weight"})
"""ModernBERT's head of pre-training; others keep layers under ``decoder``."""

BUFFERS = (
    "position_ids",
    "inv_freq",
    "masked_bias",
    ".attn.bias",
    ".attention.bias",
)
"""Ends of names of constants that earlier releases of transformers saved: positions, causal masks.
No layer keeps a trained tensor under these names."""


def not_leftover(names: Iterable[str]) -> list[str]:
    """Those of the unread tensors that no leftover explains.

    Of a leftover the classifier would read nothing in training either. Anything else was a part of
    what was trained, such as an adapter's matrices or a further layer: without it the model gives
    other answers, and no error.

    Args:
        names: of the checkpoint's tensors for which the classifier has no place.
    """
    return sorted(name for name in names if not _is_leftover(name))


def _is_leftover(name: str) -> bool:
    parts = name.split(".")
    # A pooler lies beside the encoder or in the model that holds it: `bert.pooler.dense.weight`.
    return (
        parts[0] in HEADS
        or "pooler" in parts[:2]
        or name in WHOLE_NAMES
        or f".{name}".endswith(BUFFERS)
    )
