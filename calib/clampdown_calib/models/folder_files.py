"""Refuses a model folder with files that lead out of it, or that have no end."""

import fnmatch
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from clampdown_runtime.errors import ModelError

LARGEST_TEXT = 2**28
"""Bytes of a file of configuration or of the tokenizer: several times the largest vocabulary."""

CONFIGURATION = (
    *("config.json", "adapter_config.json"),
    *("tokenizer*", "special_tokens_map.json", "added_tokens.json"),
)
VOCABULARY = ("vocab.*", "merges.txt", "*.model", "bpe.codes")
"""Files by which a model is configured and its texts are tokenised, which are read whole."""

HUB_SNAPSHOTS, HUB_BLOBS = "snapshots", "blobs"
"""A hub's cache has the files of a repository in one folder, and links to them in another."""


def refuse_odd_files(folder: Path) -> None:
    """Look at every file in a folder, without opening any.

    What a bundle is made of travels with it: through a link it could be any file of this machine.

    Raises:
        ModelError: one is a link that leaves the folder (but for a hub's cache, whose links stay in
            the files of the same repository), is no regular file, or is too large to be a text.
    """
    try:
        for path in _files(folder):
            _look(path, folder)
    except OSError as error:
        _refuse(
            Path(str(error.filename or folder)),
            f"a file that cannot be read ({error.strerror})",
            "readable files",
            "Give yourself permission to read the model.",
        )


def leaves(path: Path, folder: Path) -> bool:
    """Whether a path, links followed, lies outside a folder and outside its repository's files."""
    # Not Path.resolve, which raises RuntimeError on a link to itself before Python 3.13.
    place, inside = Path(os.path.realpath(path)), Path(os.path.realpath(folder))
    if place.is_relative_to(inside):
        return False
    if inside.parent.name != HUB_SNAPSHOTS:
        return True
    blobs = inside.parent.parent / HUB_BLOBS
    return place.parent != blobs or blobs.is_symlink()


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, onerror=_raise):
        # What is hidden, such as .git, belongs to other tools; no model is read from it.
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place) / name for name in files if not name.startswith("."))
        yield from (Path(place) / name for name in folders if (Path(place) / name).is_symlink())


def _look(path: Path, folder: Path) -> None:
    if path.is_symlink() and leaves(path, folder):
        _refuse(
            path,
            "a link that leaves the model's folder",
            "files of the model itself",
            "Copy the file into the folder if you know what it is and trust it.",
        )
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        return
    if not stat.S_ISREG(found.st_mode):
        _refuse(path, "no regular file", "files and folders", "Remove it.")
    is_read_whole = any(fnmatch.fnmatchcase(path.name, p) for p in (*CONFIGURATION, *VOCABULARY))
    if is_read_whole and found.st_size > LARGEST_TEXT:
        _refuse(
            path,
            f"{found.st_size} bytes",
            f"at most {LARGEST_TEXT} in a file that is read whole",
            "Remove it, or get an unchanged copy of the model.",
        )


def _raise(error: OSError) -> NoReturn:
    raise error


def _refuse(path: Path, found: str, expected: str, hint: str) -> NoReturn:
    raise ModelError(f"{path}", found=found, expected=expected, hint=hint)
