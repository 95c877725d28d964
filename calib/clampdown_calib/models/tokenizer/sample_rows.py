"""Rows that a model is tried on before any of the user's."""

import dataclasses
from dataclasses import dataclass
from typing import Self

from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_runtime.tokenizer import Encoded

TEXT = "A plain sentence, with Capitals: the film was good, the book was not."

SHORT = 16
"""Tokens of the short row at most: fewer than any model's attention looks at in another way."""

LONGEST = 2048
"""Tokens of the longest row that is tried. Attention over all pairs of a longer one would take
gigabytes; encoders in use end at 512 to 8192, and switch what they do well below."""


@dataclass(frozen=True, slots=True)
class SampleRows:
    """Token ids, special tokens included, as some models find what they read by these.

    Attributes:
        short: of a sentence, at most ``SHORT``; at least two, as a trace of one token holds for
            one only.
        long: as long as the model takes, at most ``LONGEST``.
        short_types: the token types of ``short`` where it is of a pair of sentences; otherwise
            None, for zeros.
        long_types: the same of ``long``.
    """

    short: tuple[int, ...]
    long: tuple[int, ...]
    short_types: tuple[int, ...] | None = None
    long_types: tuple[int, ...] | None = None

    @classmethod
    def of(cls, tokenization: Tokenization) -> Self:
        """The rows that a tokenizer makes of plain English."""
        short, long = (_row(tokenization, tokens) for tokens in (SHORT, LONGEST))
        # A tokenizer may know none of these words, and have no token for unknown ones.
        ids = tuple(short.ids or [1])
        return cls(
            ids if len(ids) > 1 else ids * 2,
            tuple(long.ids or [1]),
            None if short.type_ids is None else tuple(short.type_ids),
            None if long.type_ids is None else tuple(long.type_ids),
        )


def _row(tokenization: Tokenization, tokens: int) -> Encoded:
    limit = min(tokenization.max_length, tokens)
    within = dataclasses.replace(tokenization, max_length=limit)
    text = " ".join([TEXT] * limit)
    [encoded] = within.encoded([(text, text) if tokenization.text_pair else text])
    return encoded


ONES = SampleRows((1,) * 8, (1,) * 8)
"""Of a model whose tokenizer is not known: an id that every embedding has."""
