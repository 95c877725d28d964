"""Turns texts into token ids, and token ids into the arrays that the graph takes."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from clampdown_runtime.bundle.manifest import InputName, Padding, Side
from clampdown_runtime.errors import BundleError, ClampdownError
from clampdown_runtime.pairs import PairFrame, shorten
from clampdown_runtime.rows.texts import Pair, Text

CHARACTERS_PER_TOKEN = 256
"""No vocabulary in use has a longer token: a text is read as far as its tokens can reach."""

ENDINGS = (KeyboardInterrupt, SystemExit, MemoryError)
"""What is nobody's failure to explain."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """The token ids of one text or pair.

    Attributes:
        ids: the ids that the model sees, special tokens included, at most ``max_length``.
        truncated: whether the model sees less than the whole text.
        type_ids: of a pair, the token type of each id; None of a single text, all zeros.
    """

    ids: list[int]
    truncated: bool
    type_ids: list[int] | None = None


@dataclass(frozen=True, slots=True)
class Windows:
    """A text in pieces that overlap.

    Attributes:
        ids: the ids of each piece, special tokens included; at least one piece.
        truncated: whether they leave out a part of the text.
    """

    ids: list[list[int]]
    truncated: bool


class BundleTokenizer:
    """The tokenizer of a bundle, with the bundle's truncation and none of its own padding.

    Of a text it reads the first ``CHARACTERS_PER_TOKEN`` times ``max_length`` characters (the last
    ones where the beginning is cut off), so that one of any size takes bounded time and memory; of
    a pair, that much of each text.

    Args:
        source: a ``tokenizer.json``, or its bytes.
        max_length: tokens, special ones included, after which a text is truncated.
        truncation_side: the one that is cut off.
        text_pair: whether it encodes pairs, and no single texts.
        name: of it in an error; the file's path when None.

    Attributes:
        special: how many special tokens stand around a text, or a pair.
        readable: how many characters of a text are read.

    Raises:
        BundleError: the file is not a tokenizer, has no template for pairs where it is to encode
            them, or ``max_length`` has no room for a token.
    """

    def __init__(
        self,
        source: Path | bytes,
        max_length: int,
        *,
        truncation_side: Side = "right",
        text_pair: bool = False,
        name: str | None = None,
    ) -> None:
        self._name = name = name or str(source)
        try:
            self._tokenizer: Tokenizer = (
                Tokenizer.from_buffer(source)
                if isinstance(source, bytes)
                else Tokenizer.from_file(str(source))
            )
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
            repeats = _repeats(self._tokenizer)
        except ENDINGS:
            raise
        # The tokenizers package raises plain exceptions, and panics, which are no Exception.
        except BaseException as error:
            raise BundleError(
                name,
                found=f"a file that is not a tokenizer ({error})",
                expected="a tokenizer.json of the tokenizers package",
                hint="Get an unchanged copy, or upgrade the tokenizers package.",
            ) from error
        self._frame = self._pair_frame() if text_pair else None
        self.special = special = (
            self._frame.special if self._frame else self._tokenizer.num_special_tokens_to_add(False)
        )
        if repeats:
            raise BundleError(
                name,
                found="special tokens among which a text stands several times, or not once",
                expected="a template with one place for the text",
                hint="Repair the tokenizer's post-processor, and export the bundle again.",
            )
        if max_length < special + (2 if text_pair else 1):
            raise BundleError(
                name,
                found=f"{special} special tokens around a {'pair' if text_pair else 'text'}",
                expected=f"{'at least two fewer' if text_pair else 'fewer'} than the manifest's "
                f"`max_length`, {max_length}",
                hint="Export the bundle again with a longer `max_length`.",
            )
        self._max_length = max_length
        self.readable = CHARACTERS_PER_TOKEN * max_length
        self._truncation_side = truncation_side
        # Of a pair each text is encoded alone, and cut here.
        if not text_pair:
            self._tokenizer.enable_truncation(max_length, direction=truncation_side)

    def encode(self, texts: Sequence[Text]) -> list[Encoded]:
        """Encodes texts, or pairs of them where it was made for pairs.

        Args:
            texts: strings of valid Unicode, or pairs of such.

        Raises:
            BundleError: the tokenizer fails on one of them.
        """
        if self._frame is not None:
            return self._encode_pairs(self._frame, cast("Sequence[Pair]", texts))
        singles = cast("Sequence[str]", texts)
        return [
            Encoded(encoding.ids, bool(encoding.overflowing) or len(text) > self.readable)
            for text, encoding in zip(singles, self._encodings(singles), strict=True)
        ]

    def encode_in_windows(self, text: str, size: int, stride: int) -> Windows:
        """Encodes a text in pieces that overlap, each with the special tokens around it.

        Args:
            text: a string of valid Unicode.
            size: tokens of a piece, special ones included, at most ``max_length``.
            stride: tokens from the beginning of one piece to that of the next.

        Raises:
            BundleError: the tokenizer fails on the text.
            ClampdownError: see :meth:`require_windows`.
        """
        self.require_windows(size, stride)
        room = size - self.special
        [first] = self._encodings([text])
        pieces = [first, *first.overflowing]
        # What was cut off comes back in pieces of its own, in the order in which it was.
        if self._truncation_side == "left":
            pieces.reverse()
        own = [token for piece in pieces for token, of in _tokens(piece) if of is not None]
        before = [token for token, _ in takewhile(lambda token: token[1] is None, _tokens(first))]
        behind = [token for token, of in _tokens(first) if of is None][len(before) :]
        starts = range(0, max(len(own) - room, 0) + stride, stride)
        windows = [[*before, *own[start : start + room], *behind] for start in starts]
        return Windows(windows, len(text) > self.readable)

    def require_windows(self, size: int, stride: int) -> None:
        """Refuses windows that the model does not take or that leave something out.

        Raises:
            ClampdownError: ``size`` has no room for a token or exceeds ``max_length``, or
                ``stride`` leaves a gap between two windows.
        """
        room = size - self.special
        if not 1 <= room <= self._max_length - self.special or not 1 <= stride <= room:
            raise ClampdownError(
                "The windows",
                found=f"{size} tokens and a stride of {stride}",
                expected=f"{self.special + 1} to {self._max_length} tokens, and a stride of at "
                f"least 1 and at most {self.special} less",
                hint="Pass other numbers, such as half as many for the stride.",
            )

    def _pair_frame(self) -> PairFrame:
        try:
            return PairFrame.of(self._tokenizer)
        except ENDINGS:
            raise
        except BaseException as error:
            raise BundleError(
                self._name,
                found=f"a tokenizer that cannot read pairs of texts ({error})",
                expected="special tokens between two texts, as those of BERT and RoBERTa put there",
                hint="Take the tokenizer that the model was trained on pairs with; a model that "
                "got them joined as one text takes them so from here, too.",
            ) from error

    def _encode_pairs(self, frame: PairFrame, pairs: Sequence[Pair]) -> list[Encoded]:
        texts = [text for pair in pairs for text in pair]
        ids = [encoding.ids for encoding in self._encodings(texts, special=False)]
        room = self._max_length - frame.special
        encoded = []
        for pair, first, second in zip(pairs, ids[::2], ids[1::2], strict=True):
            one, two = shorten(first, second, room, self._truncation_side)
            whole = len(one) + len(two) == len(first) + len(second)
            truncated = not whole or max(map(len, pair)) > self.readable
            encoded.append(Encoded(frame.ids(one, two), truncated, frame.type_ids(one, two)))
        return encoded

    def _encodings(self, texts: Sequence[str], *, special: bool = True) -> list[Encoding]:
        try:
            read = [self._read(text) for text in texts]
            return self._tokenizer.encode_batch(read, add_special_tokens=special)
        except ENDINGS:
            raise
        except BaseException as error:
            raise BundleError(
                self._name,
                found=f"a failure on one of {len(texts)} texts ({error})",
                expected="token ids for every text",
                hint="Repair the tokenizer of the model, such as an unknown token that its "
                "vocabulary lacks, and export the bundle again.",
            ) from error

    def _read(self, text: str) -> str:
        if self._truncation_side == "left":
            return text[-self.readable :]
        return text[: self.readable]


def type_ids_of(encoded: Sequence[Encoded]) -> list[list[int]] | None:
    """The token types of rows; None where they are of single texts."""
    types = [item.type_ids for item in encoded if item.type_ids is not None]
    return types or None


def _tokens(encoding: Encoding) -> Iterator[tuple[int, int | None]]:
    """Every token, and of which text it is: of none where it is a special one around it."""
    return zip(encoding.ids, encoding.sequence_ids, strict=True)


def _repeats(tokenizer: Tokenizer) -> bool:
    """Whether special tokens stand around more or less than one copy of a text.

    Of a long text the package combines every piece with every other one then, without an end.
    """
    if tokenizer.post_processor is None:
        return False
    state = json.loads(tokenizer.post_processor.__getstate__())
    templates = (
        part["single"]
        for part in (state, *state.get("processors", ()))
        if part["type"] == "TemplateProcessing"
    )
    return any(sum("Sequence" in piece for piece in template) != 1 for template in templates)


def pad_batch(
    rows: Sequence[Sequence[int]],
    padding: Padding,
    inputs: Sequence[InputName],
    type_ids: Sequence[Sequence[int]] | None = None,
) -> dict[str, npt.NDArray[np.int64]]:
    """Fills rows of token ids up to the longest of them.

    Args:
        rows: token ids, at least one row.
        padding: the side and the ids to fill with.
        inputs: the graph's inputs that are wanted.
        type_ids: the token types of each row, as many as it has ids; all zeros when None.

    Returns:
        For each input an int64 array of the shape [rows, longest row].
    """
    shape = (len(rows), max(len(row) for row in rows))
    arrays = {
        "input_ids": np.full(shape, padding.token_id, np.int64),
        "attention_mask": np.zeros(shape, np.int64),
        "token_type_ids": np.full(shape, padding.type_id, np.int64),
    }
    for index, row in enumerate(rows):
        columns = (
            slice(0, len(row)) if padding.side == "right" else slice(shape[1] - len(row), None)
        )
        arrays["input_ids"][index, columns] = row
        arrays["attention_mask"][index, columns] = 1
        arrays["token_type_ids"][index, columns] = 0 if type_ids is None else type_ids[index]
    return {name: arrays[name] for name in inputs}
