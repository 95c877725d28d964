"""Rows that a model is tried on before any of the user's."""

import dataclasses
from dataclasses import dataclass
from typing import Self

from clampdown_calib.models.tokenizer.tokenization import Tokenization

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
    """

    short: tuple[int, ...]
    long: tuple[int, ...]

    @classmethod
    def of(cls, tokenization: Tokenization) -> Self:
        """The rows that a tokenizer makes of plain English."""
        short, long = (_row(tokenization, tokens) for tokens in (SHORT, LONGEST))
        return cls(short if len(short) > 1 else short * 2, long)


def _row(tokenization: Tokenization, tokens: int) -> tuple[int, ...]:
    limit = min(tokenization.max_length, tokens)
    within = dataclasses.replace(tokenization, max_length=limit)
    # A tokenizer may know none of these words, and have no token for unknown ones.
    return tuple(within.encode([" ".join([TEXT] * limit)])[0] or [1])


ONES = SampleRows((1,) * 8, (1,) * 8)
"""Of a model whose tokenizer is not known: an id that every embedding has."""
