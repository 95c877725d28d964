"""Puts the tokens of two texts and the special tokens around them together, as one row."""

from dataclasses import dataclass

from tokenizers import Tokenizer

from clampdown_runtime.bundle.manifest import Side


@dataclass(frozen=True, slots=True)
class Special:
    """Special tokens that stand together: their ids and their token types."""

    ids: list[int]
    type_ids: list[int]


@dataclass(frozen=True, slots=True)
class PairFrame:
    """What a tokenizer puts around two texts.

    Attributes:
        before: special tokens before the first text.
        between: those between the two, at least one.
        behind: those behind the second.
        types: the token type of the first text's tokens, and of the second's.
    """

    before: Special
    between: Special
    behind: Special
    types: tuple[int, int]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "PairFrame":
        """Read off a pair of short texts.

        Args:
            tokenizer: without truncation and padding.

        Raises:
            ValueError: a text does not stand there once, the first one before the second, or
                nothing parts them.
        """
        example = tokenizer.encode("a", "b")
        places = [
            [place for place, of in enumerate(example.sequence_ids) if of == text]
            for text in (0, 1)
        ]
        if not all(places):
            raise ValueError("no tokens for the letter a or b")
        (start, end), (next_start, next_end) = ((text[0], text[-1] + 1) for text in places)
        if [end - start, next_end - next_start] != [*map(len, places)] or end > next_start:
            raise ValueError("two texts of which each does not stand there once, one by one")
        if end == next_start:
            raise ValueError("nothing that parts two texts: it has no template for pairs")
        before, between, behind = (
            Special(example.ids[part], example.type_ids[part])
            for part in (slice(0, start), slice(end, next_start), slice(next_end, None))
        )
        types = (example.type_ids[start], example.type_ids[next_start])
        return cls(before, between, behind, types)

    @property
    def special(self) -> int:
        """How many special tokens there are."""
        return sum(len(part.ids) for part in (self.before, self.between, self.behind))

    def ids(self, first: list[int], second: list[int]) -> list[int]:
        """The token ids of a row of two texts, of which those of each are given."""
        return [*self.before.ids, *first, *self.between.ids, *second, *self.behind.ids]

    def type_ids(self, first: list[int], second: list[int]) -> list[int]:
        """The token types of the same."""
        return [
            *self.before.type_ids,
            *[self.types[0]] * len(first),
            *self.between.type_ids,
            *[self.types[1]] * len(second),
            *self.behind.type_ids,
        ]


def shorten(
    first: list[int], second: list[int], room: int, side: Side
) -> tuple[list[int], list[int]]:
    """Cuts the longer one of two texts, and both where both are longer than half of the room.

    The strategy ``longest_first`` of the package ``tokenizers``, which Transformers takes for
    pairs. That package puts what it cuts off back together in every combination, so that two long
    texts would fill the memory.

    Args:
        first: token ids of the first text.
        second: those of the second one.
        room: tokens of both together at most.
        side: the one that is cut off.
    """
    if len(first) + len(second) <= room:
        return first, second
    less = min(len(first), len(second), room // 2)
    counts = (less, room - less) if len(first) <= len(second) else (room - less, less)
    one, two = (
        ids[len(ids) - count :] if side == "left" else ids[:count]
        for ids, count in zip((first, second), counts, strict=True)
    )
    return one, two
