"""What is done to a model's folder, once it is written, to make it an odd one."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from tests.lora_adapters import save_adapter

Change = Callable[[Path], None]


def with_tensors(*names: str) -> Change:
    """More tensors of these names."""

    def change(folder: Path) -> None:
        file = folder / "model.safetensors"
        more = {name: torch.ones(4, 4) for name in names}
        save_file({**load_file(file), **more}, file, {"format": "pt"})

    return change


def with_config(name: str, **changes: object) -> Change:
    """Another configuration than that of the weights, or of the tokenizer."""

    def change(folder: Path) -> None:
        file = folder / name
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return change


def without_head(folder: Path) -> None:
    """The weights of the encoder alone."""
    file = folder / "model.safetensors"
    weights = {k: v for k, v in load_file(file).items() if not k.startswith("classifier")}
    save_file(weights, file, {"format": "pt"})


def with_tokens(last: int) -> Change:
    """More tokens, up to one of this id."""

    def change(folder: Path) -> None:
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        first = tokenizer.get_vocab_size()
        tokenizer.add_tokens([f"<new {number}>" for number in range(first, last + 1)])
        tokenizer.save(str(folder / "tokenizer.json"))

    return change


def as_adapter(folder: Path) -> None:
    """The model becomes the base of an adapter, which takes its place without a tokenizer."""
    base = folder.rename(folder.with_name("base"))
    save_adapter(folder, base)
