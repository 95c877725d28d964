"""Whether a model has a row in its embedding for everything that its tokenizer gives."""

from pathlib import Path

from tokenizers import Tokenizer

from clampdown_calib.models.model_folder import ModelFolder
from clampdown_runtime.errors import ModelError


def require_ids_of_model(folder: ModelFolder, tokenizer_json: str, padding_id: int) -> None:
    """Refuse token ids that a checkpoint's configuration has no room for.

    Any text can hold any token of the vocabulary, those that were added to it included, so that
    one id too high is a failed run that a stranger's text brings about.

    Args:
        folder: the model's; a configuration without ``vocab_size`` is held against nothing.
        tokenizer_json: contents of the tokenizer.
        padding_id: the id that rows are filled with.

    Raises:
        ModelError: an id is as high as ``vocab_size`` or higher.
    """
    text = folder.config.get("text_config")
    rows = folder.config.get("vocab_size", text.get("vocab_size") if isinstance(text, dict) else 0)
    if type(rows) is int and rows > 0:
        require_ids_below(rows, tokenizer_json, padding_id, path=folder.path)


def require_ids_below(rows: int, tokenizer_json: str, padding_id: int, *, path: Path) -> None:
    """Refuse token ids that an embedding of so many rows has none for.

    Raises:
        ModelError: there is such an id.
    """
    vocabulary = Tokenizer.from_str(tokenizer_json).get_vocab(with_added_tokens=True)
    token = max(vocabulary, key=vocabulary.__getitem__, default="")
    highest, what = vocabulary.get(token, 0), f"the token {token!r}"
    if padding_id > highest:
        highest, what = padding_id, "the padding token"
    if highest >= rows:
        raise ModelError(
            f"The tokenizer of {path}",
            found=f"the id {highest} ({what})",
            expected=f"ids below {rows}, the rows of the model's embedding (vocab_size)",
            hint="Take the tokenizer that the model was trained with: leave out tokens that were "
            "added later, or train the model on them after resize_token_embeddings.",
        )
