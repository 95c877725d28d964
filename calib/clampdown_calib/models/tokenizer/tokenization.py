"""The model's tokenizer and padding, as the bundle will hold them."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from clampdown_calib.models.architectures import ARCHITECTURES
from clampdown_calib.models.model_folder import TOKENIZER_FILES, ModelFolder
from clampdown_calib.models.quiet import quiet_transformers
from clampdown_calib.models.tokenizer.sentencepiece_files import require_sentencepiece
from clampdown_runtime.bundle.manifest import TOKENIZER_FILE, InputName, Padding, Side
from clampdown_runtime.bundle.strict_json import INT64_MAX
from clampdown_runtime.errors import BundleError, ModelError
from clampdown_runtime.rows.texts import Pair, Text
from clampdown_runtime.tokenizer import ENDINGS, BundleTokenizer, Encoded
from clampdown_runtime.writing.working_folder import scratch_folder

POSITION_OFFSET = {
    "camembert",
    "data2vec-text",
    "ibert",
    "longformer",
    "luke",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
"""Architectures whose positions begin behind the padding id, so that fewer tokens fit."""

HIGHEST_ID = 2**24
"""Of a token: a hundred times the largest vocabulary in use, and little enough for a list of all
ids up to it, which packages make."""

SAMPLE_TEXTS = [
    "A plain sentence, with Capitals.",
    "naïve CAFÉ 12.5%",
    "two  spaces",
    " at the edges ",
    "tabs\tand\nlines\r\n",
    "電影很好看，我喜歡。",
    "映画はとても良かった",
    "영화가 좋았다",
    "фильм хороший",
    "فيلم جيد",
    "सिनेमा अच्छा",
    "e\u0301 combining, \u00e9 composed, ﬁ ligature, １２ wide",
    "emoji 😀 👩‍👩‍👧 🇩🇪",
    "zero\u200bwidth, soft\u00adhyphen, \ufeffmark",
    "x" * 120,
    "don't @user #tag https://example.org/a?b=c",
]
"""Texts on which the runtime's tokenizer has to agree with the one that transformers loads."""

NO_LIMIT = 1_000_000
"""transformers writes an astronomical ``model_max_length`` where a tokenizer has none."""


@dataclass(frozen=True, slots=True)
class Tokenization:
    """How texts become the model's inputs.

    Attributes:
        tokenizer_json: contents of ``tokenizer.json``.
        tokenizer_config_json: contents of ``tokenizer_config.json``.
        inputs: names of the tensors that the tokenizer feeds.
        max_length: tokens after which a text is truncated.
        truncation_side: the one that is cut off.
        text_pair: whether the model reads pairs of texts.
        padding: always on the right, where it moves no token's position.
    """

    tokenizer_json: str
    tokenizer_config_json: str
    inputs: tuple[InputName, ...]
    max_length: int
    padding: Padding
    truncation_side: Side = "right"
    text_pair: bool = False

    def encode(self, texts: Sequence[Text]) -> list[list[int]]:
        """Token ids of texts or pairs, truncated, by the runtime's own tokenizer."""
        return [encoded.ids for encoded in self.encoded(texts)]

    def encoded(self, texts: Sequence[Text]) -> list[Encoded]:
        """The same, with the token types of pairs."""
        tokenizer = BundleTokenizer(
            self.tokenizer_json.encode(),
            self.max_length,
            truncation_side=self.truncation_side,
            text_pair=self.text_pair,
            name=TOKENIZER_FILE,
        )
        return tokenizer.encode(texts)


def load_tokenization(folder: ModelFolder, *, text_pair: bool = False) -> Tokenization:
    """Read the tokenizer that lies beside the model; its own code is never run.

    Args:
        folder: the model's.
        text_pair: whether the model reads pairs of texts.

    Raises:
        ModelError: there is none, it is not one of the tokenizers package, it has no padding
            token, or it has no template for pairs and they are wanted.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415 - takes seconds

    # Without any of these transformers makes an empty tokenizer, to which every word is unknown.
    place = folder.tokenizer_path
    if not any(path.is_file() for name in TOKENIZER_FILES for path in place.glob(name)):
        raise _unusable(folder, "no tokenizer.json and no vocabulary")
    _require_ids(folder)
    require_sentencepiece(folder)
    with scratch_folder() as converted, _explained(folder):
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False)
            tokenizer.save_pretrained(converted)
        own, saved = _texts(place), _texts(converted)
    if TOKENIZER_FILE not in saved:
        raise _unusable(folder, "a tokenizer that cannot be written as tokenizer.json")
    wanted: tuple[InputName, ...] = ("input_ids", "attention_mask", "token_type_ids")
    pad = _padding_id(folder, tokenizer.pad_token_id)
    limit = _max_length(folder, tokenizer.model_max_length, pad)
    # Longer than the model takes, with another beginning than end.
    long = f"The first film {'a ' * limit} of the last day"
    samples = [*SAMPLE_TEXTS, long, *_texts_of_tokens(saved[TOKENIZER_FILE])]
    given = pairs_of(samples) if text_pair else samples
    with _explained(folder):
        expected = _by_transformers(tokenizer, given, limit)
    # The model's own files where they say all: transformers reads settings from other files too.
    same = _settings(own.get(TOKENIZER_FILE)) == _settings(saved[TOKENIZER_FILE])
    for texts in ({**saved, **own}, saved) if same else (saved,):
        tokenization = Tokenization(
            tokenizer_json=texts[TOKENIZER_FILE],
            tokenizer_config_json=texts["tokenizer_config.json"],
            inputs=tuple(n for n in wanted if n in tokenizer.model_input_names),
            max_length=limit,
            truncation_side=_truncation_side(folder, tokenizer.truncation_side),
            text_pair=text_pair,
            padding=Padding(side="right", token_id=pad, type_id=0),
        )
        try:
            encoded = tokenization.encoded(given)
            if [(item.ids, item.type_ids) for item in encoded] == expected:
                return tokenization
        except BundleError as error:
            raise _unusable(folder, error.found) from error
    raise _unusable(folder, "a tokenizer that gives other tokens once it is saved")


def pairs_of(texts: Sequence[str]) -> list[Pair]:
    """Each text with the one behind it, and the last one with itself and with the first."""
    return [*zip(texts, [*texts[1:], texts[0]], strict=True), (texts[-1], texts[-1])]


def _by_transformers(
    tokenizer: Any,  # noqa: ANN401 - of transformers, whose releases differ in their annotations
    given: Sequence[Text],
    limit: int,
) -> list[tuple[list[int], list[int] | None]]:
    """Ids and, of pairs, token types, as transformers makes them."""
    pairs = [text for text in given if not isinstance(text, str)]
    texts = [list(part) for part in zip(*pairs, strict=True)] if pairs else [list(given)]
    found = tokenizer(*texts, truncation=True, max_length=limit, return_token_type_ids=bool(pairs))
    types = found["token_type_ids"] if pairs else [None] * len(given)
    return list(zip(found["input_ids"], types, strict=True))


def _texts_of_tokens(tokenizer_json: str) -> Iterator[str]:
    """A text around every token that was added: alone, within a text, and within a word."""
    for token in json.loads(tokenizer_json).get("added_tokens") or ():
        content = token["content"]
        yield from (content, f"before {content} behind", f"before{content}behind")


def _settings(tokenizer_json: str | None) -> object:
    """What a tokenizer.json says, but for truncation and padding, which are the bundle's own."""
    if tokenizer_json is None:
        return None
    fields = json.loads(tokenizer_json)
    return {key: value for key, value in fields.items() if key not in ("truncation", "padding")}


def _require_ids(folder: ModelFolder) -> None:
    """Refuse a tokenizer.json with an id so high that every package would fill its memory."""
    path = folder.tokenizer_path / TOKENIZER_FILE
    if not path.is_file():
        return
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _unusable(folder, f"a tokenizer.json that is not valid JSON ({error})") from error
    highest = max(_ids(found), default=0)
    if highest > HIGHEST_ID:
        raise _unusable(folder, f"the token id {highest}")


def _ids(tokenizer: object) -> Iterator[int]:
    """Every id that a tokenizer.json gives to a token, wherever it stands there."""
    fields = tokenizer if isinstance(tokenizer, dict) else {}
    model = fields.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    added = fields.get("added_tokens")
    given = [
        *(vocabulary.values() if isinstance(vocabulary, dict) else ()),
        *(t.get("id") for t in (added if isinstance(added, list) else ()) if isinstance(t, dict)),
    ]
    yield from (token for token in given if isinstance(token, int))


@contextmanager
def _explained(folder: ModelFolder) -> Iterator[None]:
    """Whatever transformers passes on from its parts is an error of the model."""
    try:
        yield
    except ENDINGS:
        raise
    # The tokenizers package panics, too, which is no Exception.
    except BaseException as error:
        raise _unusable(folder, f"{type(error).__name__}: {error}") from error


def _texts(place: Path) -> dict[str, str]:
    names = (TOKENIZER_FILE, "tokenizer_config.json")
    return {name: (place / name).read_text("utf-8") for name in names if (place / name).is_file()}


def _truncation_side(folder: ModelFolder, of_tokenizer: object) -> Side:
    sides: tuple[Side, ...] = get_args(Side)
    for side in sides:
        if side == of_tokenizer:
            return side
    raise _unusable(folder, f"truncation_side {of_tokenizer!r}")


def _padding_id(folder: ModelFolder, of_tokenizer: int | None) -> int:
    known = ARCHITECTURES.get(folder.model_type)
    pad = folder.config.get("pad_token_id")
    # A model that reads the last token finds it by its own padding id, not by the tokenizer's.
    if pad is None and not (known and known.representation == "last"):
        pad = of_tokenizer
    if type(pad) is not int or not 0 <= pad <= INT64_MAX:
        raise ModelError(
            f"The model {folder.config_path}",
            found=f"the padding token {pad}",
            expected="pad_token_id in config.json, without which a batch has no defined result",
            hint="Set pad_token_id as in training (often the end-of-text token).",
        )
    return pad


def _max_length(folder: ModelFolder, of_tokenizer: object, pad: int) -> int:
    config = folder.config
    # Not `< 1`, which NaN is not.
    if not isinstance(of_tokenizer, int | float) or not of_tokenizer >= 1:
        raise _unusable(folder, f"model_max_length {of_tokenizer!r}")
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    limits = [int(of_tokenizer)] if of_tokenizer < NO_LIMIT else []
    if isinstance(positions, int) and positions > 0:
        limits.append(positions - (pad + 1 if folder.model_type in POSITION_OFFSET else 0))
    if not limits:
        raise ModelError(
            f"The model {folder.config_path}",
            found="neither model_max_length nor max_position_embeddings",
            expected="the number of tokens that the model takes",
            hint="Set model_max_length in tokenizer_config.json.",
        )
    if min(limits) < 1:
        raise _unusable(folder, f"room for {min(limits)} tokens")
    return min(limits)


def _unusable(folder: ModelFolder, found: str) -> ModelError:
    return ModelError(
        f"The tokenizer of {folder.tokenizer_path}",
        found=found,
        expected="a tokenizer that the tokenizers package can hold (tokenizer.json)",
        hint="Save the model's fast tokenizer beside it with save_pretrained.",
    )
