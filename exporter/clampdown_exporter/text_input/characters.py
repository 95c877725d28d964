"""What a tokenizer makes of every single character before it looks at words."""

from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer

_SURROGATES = range(0xD800, 0xE000)
_TOGETHER = 64
"""Characters in one call; most blocks of Unicode stay as they are."""


@dataclass(frozen=True, slots=True)
class Characters:
    """Normalizer and pre-tokenizer as a table, with a space between words.

    Attributes:
        removed: characters of which nothing is left.
        spaces: characters that end a word and are no part of any.
        words: characters that are a word of their own and stay as they are.
        changed: every other character that does not stay as it is, and what becomes of it.
    """

    removed: tuple[str, ...]
    spaces: tuple[str, ...]
    words: tuple[str, ...]
    changed: dict[str, str]


def characters_of(tokenizer: Tokenizer) -> Characters:
    """Ask a tokenizer about every character that Unicode has room for.

    It is the whole of a normalizer that treats each character on its own, as BERT's do.

    Args:
        tokenizer: with a pre-tokenizer; a normalizer may be absent.
    """
    removed: list[str] = []
    spaces: list[str] = []
    words: list[str] = []
    changed: dict[str, str] = {}
    every = [chr(point) for point in range(0x110000) if point not in _SURROGATES]
    for start in range(0, len(every), _TOGETHER):
        some = every[start : start + _TOGETHER]
        # Between letters, so that what is kept of each shows where words end.
        together = f"a{'a'.join(some)}a"
        if _in_words(tokenizer, together) == together:
            continue
        for one in some:
            became = _in_words(tokenizer, f"a{one}a")[1:-1]
            if became == "":
                removed.append(one)
            elif became == " ":
                spaces.append(one)
            elif became == f" {one} ":
                words.append(one)
            elif became != one:
                changed[one] = became
    return Characters(tuple(removed), tuple(spaces), tuple(words), changed)


def _in_words(tokenizer: Tokenizer, text: str) -> str:
    if tokenizer.normalizer is not None:
        text = tokenizer.normalizer.normalize_str(text)
    return " ".join(piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text))


def character_class(characters: Iterable[str]) -> str:
    r"""A class of an RE2 regular expression, ``[\x{41}-\x{5a}]`` for instance."""
    ranges: list[list[int]] = []
    for point in sorted(map(ord, characters)):
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return "[" + "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges) + "]"
