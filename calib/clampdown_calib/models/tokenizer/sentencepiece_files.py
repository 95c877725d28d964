"""Vocabularies of SentencePiece, which transformers reads with the package of that name only."""

import importlib.util

from clampdown_calib.models.model_folder import ModelFolder
from clampdown_runtime.bundle.manifest import TOKENIZER_FILE
from clampdown_runtime.errors import ModelError


def require_sentencepiece(folder: ModelFolder) -> None:
    """Refuse a folder whose only vocabulary needs a package that is missing.

    transformers takes the file for one of tiktoken then, and asks for that package.

    Raises:
        ModelError: the package is not installed.
    """
    files = sorted(folder.tokenizer_path.glob("*.model"))
    whole = (folder.tokenizer_path / TOKENIZER_FILE).is_file()
    if whole or not files or importlib.util.find_spec("sentencepiece") is not None:
        return
    raise ModelError(
        f"The tokenizer of {folder.tokenizer_path}",
        found=f"{files[0].name} without a tokenizer.json, and no package sentencepiece to read it",
        expected="a tokenizer.json, or the package",
        hint="Run pip install sentencepiece, or save the model's fast tokenizer beside it.",
    )
