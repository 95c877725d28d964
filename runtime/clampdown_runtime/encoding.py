"""Turns what callers give as texts into tokens, or says which of them cannot be classified."""

from collections.abc import Sequence

from clampdown_runtime.errors import RowsError
from clampdown_runtime.rows.texts import Text, require_text, require_text_or_pair
from clampdown_runtime.tokenizer import BundleTokenizer, Encoded, Windows


def encode_texts(
    tokenizer: BundleTokenizer, texts: Sequence[Text], first: int, *, pairs: bool
) -> list[Encoded]:
    """The tokens of texts, or of pairs of them.

    Args:
        tokenizer: the bundle's.
        texts: what was given.
        first: the index of the first one, for messages.
        pairs: whether the model reads pairs.

    Raises:
        RowsError: one of them is no text, or no pair, or has no tokens; the message has its index.
    """
    encoded = tokenizer.encode(
        [
            require_text_or_pair(text, f"text {index}", pairs=pairs)
            for index, text in enumerate(texts, first)
        ]
    )
    for index, item in enumerate(encoded, first):
        _require_tokens(item.ids, index)
    return encoded


def encode_in_windows(
    tokenizer: BundleTokenizer, texts: Sequence[str], first: int, *, size: int, stride: int
) -> list[Windows]:
    """The windows of texts of any length.

    Args:
        tokenizer: the bundle's.
        texts: what was given.
        first: the index of the first one, for messages.
        size: tokens of a window, special ones included.
        stride: tokens from the beginning of one window to that of the next.

    Raises:
        RowsError: one of them is no text or has no tokens; the message has its index.
    """
    encoded = []
    for index, text in enumerate(texts, first):
        require_text(text, f"text {index}")
        encoded.append(tokenizer.encode_in_windows(text, size, stride))
        _require_tokens(encoded[-1].ids[0], index)
    return encoded


def _require_tokens(ids: Sequence[int], index: int) -> None:
    if not ids:
        raise RowsError(
            f"text {index}",
            found="a text of which the tokenizer leaves no tokens",
            expected="at least one token",
            hint="Correct it or leave it out.",
        )
