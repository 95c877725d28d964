"""Which modules of an architecture are its blocks, and which token carries the representation."""

import re
from dataclasses import dataclass

from clampdown_runtime.bundle.manifest import Representation

INDEX = re.compile(r"-?[0-9]+", re.ASCII)
"""What ``--layers`` takes for the number of a block; anything else is a name."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """Where a family of classifiers keeps its blocks.

    Attributes:
        blocks: glob over module names that matches every block's output module.
        representation: the token that the classification head reads.
    """

    blocks: str
    representation: Representation


ARCHITECTURES: dict[str, Architecture] = {
    "albert": Architecture("albert.encoder.albert_layer_groups.*.albert_layers.*", "first"),
    "bert": Architecture("bert.encoder.layer.*", "first"),
    "bloom": Architecture("transformer.h.*", "last"),
    "camembert": Architecture("roberta.encoder.layer.*", "first"),
    "deberta": Architecture("deberta.encoder.layer.*", "first"),
    "deberta-v2": Architecture("deberta.encoder.layer.*", "first"),
    "distilbert": Architecture("distilbert.transformer.layer.*", "first"),
    "electra": Architecture("electra.encoder.layer.*", "first"),
    "gemma2": Architecture("model.layers.*", "last"),
    "gemma3_text": Architecture("model.layers.*", "last"),
    "gpt2": Architecture("transformer.h.*", "last"),
    "gpt_neox": Architecture("gpt_neox.layers.*", "last"),
    "llama": Architecture("model.layers.*", "last"),
    "mistral": Architecture("model.layers.*", "last"),
    "modernbert": Architecture("model.layers.*", "first"),
    "mpnet": Architecture("mpnet.encoder.layer.*", "first"),
    "opt": Architecture("model.decoder.layers.*", "last"),
    "qwen2": Architecture("model.layers.*", "last"),
    "qwen3": Architecture("model.layers.*", "last"),
    "roberta": Architecture("roberta.encoder.layer.*", "first"),
    "roformer": Architecture("roformer.encoder.layer.*", "first"),
    "xlm-roberta": Architecture("roberta.encoder.layer.*", "first"),
}
"""Architectures tested end to end, by the ``model_type`` of their configuration."""
