"""Rows of token ids of an exact length, for measurements that depend on the length alone."""

import numpy as np
from tokenizers import Tokenizer

from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.errors import ClampdownError


def random_rows(bundle: Bundle, *, count: int, length: int, seed: int = 0) -> list[list[int]]:
    """Draw ordinary token ids and put the tokenizer's special tokens around them.

    Args:
        bundle: the bundle whose tokenizer says which ids there are.
        count: how many rows.
        length: tokens in each row, special ones included.
        seed: of the draw.

    Raises:
        ClampdownError: ``length`` has no room for a token or is over the bundle's ``max_length``.
    """
    tokenizer = Tokenizer.from_file(str(bundle.tokenizer_path))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    # Around nothing, the two halves could not be told apart.
    example = tokenizer.encode("a")
    ordinary = [index for index, special in enumerate(example.special_tokens_mask) if not special]
    before = example.ids[: ordinary[0]] if ordinary else []
    after = example.ids[ordinary[-1] + 1 :] if ordinary else []
    inner, longest = length - len(before) - len(after), bundle.manifest.max_length
    if inner < 1 or length > longest:
        raise ClampdownError(
            "the length of a row",
            found=f"{length} tokens",
            expected=f"{len(before) + len(after) + 1} to {longest}, special tokens included",
            hint="Pass another length.",
        )
    special = {key for key, token in tokenizer.get_added_tokens_decoder().items() if token.special}
    vocabulary = sorted({*tokenizer.get_vocab(with_added_tokens=False).values()} - special)
    drawn = np.random.default_rng(seed).choice(vocabulary, (count, inner))
    return [[*before, *row, *after] for row in drawn.tolist()]
