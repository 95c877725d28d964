"""Whether a model and its tokenizer belong together: token ids and token types."""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from clampdown_calib.models.tokenizer.sample_rows import SampleRows
from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_runtime.bundle.manifest import InputName
from clampdown_runtime.errors import ModelError


def require_ids_below(rows: object, tokenization: Tokenization, *, path: Path) -> None:
    """Refuse token ids that an embedding of so many rows has none for.

    Any text can hold any token of the vocabulary, those that were added to it included, so that
    one id too high is a failed run that a stranger's text brings about.

    Args:
        rows: of the embedding; where that is no positive integer nothing is known and none refused.
        tokenization: the model's.
        path: of the model.

    Raises:
        ModelError: there is such an id.
    """
    if type(rows) is not int or rows < 1:
        return
    tokenizer = Tokenizer.from_str(tokenization.tokenizer_json)
    vocabulary = tokenizer.get_vocab(with_added_tokens=True)
    token = max(vocabulary, key=vocabulary.__getitem__, default="")
    highest, what = vocabulary.get(token, 0), f"the token {token!r}"
    if tokenization.padding.token_id > highest:
        highest, what = tokenization.padding.token_id, "the padding token"
    if highest >= rows:
        raise ModelError(
            f"The tokenizer of {path}",
            found=f"the id {highest} ({what})",
            expected=f"ids below {rows}, the rows of the model's embedding (vocab_size)",
            hint="Take the tokenizer that the model was trained with: leave out tokens that were "
            "added later, or train the model on them after resize_token_embeddings.",
        )


def require_types_given(
    inputs: Sequence[InputName], tokenization: Tokenization, *, path: Path
) -> None:
    """Refuse a graph of pairs that reads token types, which transformers would not give it.

    Args:
        inputs: of the graph.
        tokenization: the model's.
        path: of the model.

    Raises:
        ModelError: the tokenizer's configuration leaves out the types that tell two texts apart.
    """
    types = SampleRows.of(tokenization).short_types
    name: InputName = "token_type_ids"
    if types is not None and any(types) and name in inputs and name not in tokenization.inputs:
        raise ModelError(
            f"The tokenizer of {path}",
            found=f"no {name} among its model_input_names, though the graph reads them",
            expected="those with which the model was trained on pairs",
            hint=f"Add {name} to model_input_names in tokenizer_config.json if it was trained "
            "with them, or export the model to ONNX without this input.",
        )
