"""The pretrained encoders that victims are fine-tuned from."""

import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Literal

from clampdown.demo.encoder import minilm
from clampdown.demo.packaged import packaged_path
from clampdown_runtime.writing.atomic_write import atomic_folder

Encoder = Literal["minilm", "mpnet"]

NAMES: dict[Encoder, str] = {"minilm": "MiniLM", "mpnet": "MPNet-base"}

MPNET = "all-mpnet-base-v2"
"""A folder in a zip file that packages carry in so many parts."""

PARTS = 5

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def encoder_folder(encoder: Encoder, cache: Path) -> Path:
    """Locate an encoder, a Hugging Face folder.

    Args:
        encoder: ``minilm``, of 6 layers and width 384, or ``mpnet``, of 12 and 768.
        cache: where the parts of the latter are put together, once.

    Raises:
        ClampdownError: the packages that carry it are not installed.
        DestinationError: ``cache`` cannot be written.
    """
    if encoder == "minilm":
        return minilm()
    folder = cache / "encoders" / MPNET
    if not folder.is_dir():
        parts = [
            packaged_path(f"{MPNET}-pypi-part_{n:03}", "input", f"{MPNET}.zip.{n:03}")
            for n in range(1, PARTS + 1)
        ]
        with tempfile.TemporaryFile() as whole:
            for part in parts:
                with part.open("rb") as file:
                    shutil.copyfileobj(file, whole)
            with zipfile.ZipFile(whole) as packed, atomic_folder(folder) as place:
                for name in FILES:
                    with packed.open(f"{MPNET}/{name}") as file, (place / name).open("wb") as out:
                        shutil.copyfileobj(file, out)
    return folder
