"""What one row of the corpus says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["byte-level", "sentencepiece"]
"""Of the tokenizer that is saved beside the model."""


@dataclass(frozen=True)
class Refused:
    """The type of the error, by name, and words that its message has to hold."""

    error: str
    words: str


@dataclass(frozen=True)
class Case:
    """A model, and what has to come of it.

    Attributes:
        name: unique; the architecture's, with what is odd about this model.
        model_type: of the configuration.
        config: what it says beside the sizes that all models here have; ``...`` leaves one out.
        layers: what ``--layers`` gets; None where the architecture is known.
        representation: as the option.
        padding: the id of the padding token, 0 or 1.
        tokenizer: the kind that is saved.
        token_types: whether the tokenizer emits token types.
        framed: whether it puts a token in front of a text and one behind.
        pair: its template of pairs; None for that of the tokenizers package, which parts nothing.
        pairs: whether the clean rows, and the texts that are compared, are pairs.
        change: done to the folder once it is written.
        refused: None where the defended model has to give the logits of transformers.
        slow: left to ``make test-slow``.
    """

    name: str
    model_type: str
    config: Mapping[str, object] = field(default_factory=dict)
    layers: tuple[str, ...] | None = None
    representation: Literal["first", "last"] | None = None
    padding: int = 0
    tokenizer: Kind = "byte-level"
    token_types: bool = False
    framed: bool = True
    pair: str | None = None
    pairs: bool = False
    change: Callable[[Path], None] | None = None
    refused: Refused | None = None
    slow: bool = False
