"""Which files transformers reads a checkpoint's weights from, found without loading any of them."""

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from clampdown_runtime.errors import ModelError

PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
CHECKPOINTS = ("model.safetensors", "model.safetensors.index.json")
"""The whole weights and the index of their parts, in the order in which transformers looks."""

ELSEWHERE = ("transformers_weights", "configuration_files")
"""Keys of ``config.json`` by which transformers reads weights or a configuration from other files,
whatever their format."""


def weight_files(folder: Path, *, pickled: bool) -> tuple[Path, ...]:
    """The files that hold the weights, the index of a checkpoint in parts among them.

    Args:
        folder: with one of ``PICKLES`` where ``pickled``, else with one of ``CHECKPOINTS``.
        pickled: whether pickles are loaded, and safetensors are not.

    Raises:
        ModelError: the index is damaged, or names parts that are missing, do not lie in the folder
            itself or are pickles that were not asked for.
    """
    whole, index = (folder / name for name in (PICKLES if pickled else CHECKPOINTS))
    if whole.is_file():
        return (whole,)
    suffixes = (".bin", ".safetensors") if pickled else (".safetensors",)
    names = _parts(index)
    present = {path.name for path in folder.iterdir() if path.is_file()}
    for name in names:
        if not _is_plain(name) or not name.endswith(suffixes):
            raise _unusable(
                index,
                f"weights in {name!r}",
                f"files {' and '.join(f'*{suffix}' for suffix in suffixes)} beside it",
            )
        if name not in present:
            raise _unusable(index, f"no file {name!r}", "every part that it names beside it")
    return (index, *(folder / name for name in names))


def refuse_other_files(folder: Path, config: dict[str, Any]) -> None:
    """Refuse a checkpoint that transformers would read from files of other names.

    Raises:
        ModelError: its configuration points elsewhere.
    """
    named = [key for key in ELSEWHERE if config.get(key) is not None]
    if named:
        raise ModelError(
            f"The model {folder}",
            found=f"`{named[0]}` in config.json",
            expected=f"all weights in {' or in the parts of '.join(CHECKPOINTS)}",
            hint="Load the model and write it with save_pretrained.",
        )


def _parts(index: Path) -> list[str]:
    try:
        places = json.loads(index.read_text("utf-8"))["weight_map"]
        return sorted(set(places.values()), key=str)
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise _unusable(
            index, f"{type(error).__name__}: {error}", "an object `weight_map` of file names"
        ) from error


def _is_plain(name: object) -> bool:
    """Whether a name has no folder in it, on any system."""
    return isinstance(name, str) and all(
        kind(name).name == name for kind in (PurePosixPath, PureWindowsPath)
    )


def _unusable(index: Path, found: str, expected: str) -> ModelError:
    return ModelError(
        f"The index {index}",
        found=found,
        expected=expected,
        hint="Write the model again with save_pretrained.",
    )
