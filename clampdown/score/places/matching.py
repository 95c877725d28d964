"""Files that a pattern matches, on this machine and in an object store by the same rules."""

import glob
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from clampdown.score.places.place import Place, local_path
from clampdown.score.places.store_path import StorePath
from clampdown.score.places.uris import Uri, split_uri

_ANY_FOLDERS = "**"


class Matches(NamedTuple):
    """What a pattern matches.

    Attributes:
        files: each with its name below the folders that the pattern gives without a wildcard, in
            the order of the names.
        folders: how many folders it matches, too.
    """

    files: list[tuple[Place, str]]
    folders: int


def matching(pattern: str) -> Matches:
    """The files that a path or URI with ``*``, ``?``, ``[…]`` or ``**`` matches, as in :mod:`glob`.

    Raises:
        ClampdownError: an object store cannot be listed.
    """
    uri = split_uri(pattern)
    if uri is None:
        return _on_this_machine(pattern)
    return _on_this_machine(local_path(uri)) if uri.is_local else _in_a_store(uri)


def _on_this_machine(pattern: str) -> Matches:
    parts = Path(pattern).parts
    root = Path(*parts[: _fixed(parts)])
    # With two ** glob gives a file more than once.
    paths = sorted({Path(name) for name in glob.glob(pattern, recursive=True)})  # noqa: PTH207 - of any root
    files = [path for path in paths if not path.is_dir()]
    named: list[tuple[Place, str]] = [(path, path.relative_to(root).as_posix()) for path in files]
    return Matches(named, len(paths) - len(files))


def _in_a_store(uri: Uri) -> Matches:
    parts = uri.path.split("/")
    fixed = _fixed(parts)
    root, rest = StorePath(uri.root, "/".join(parts[:fixed])), parts[fixed:]
    listed = root.entries(recursive=len(rest) > 1 or rest == [_ANY_FOLDERS])
    found = [(name, folder) for name, folder in listed if _matches(name.split("/"), rest)]
    files = sorted((name for name, folder in found if not folder), key=PurePosixPath)
    return Matches([(root / name, name) for name in files], len(found) - len(files))


def _fixed(parts: Sequence[str]) -> int:
    """How many parts stand in front of the first wildcard, or of the last part."""
    magic = (place for place, part in enumerate(parts) if glob.has_magic(part))
    return next(magic, max(0, len(parts) - 1))


def _matches(names: Sequence[str], parts: Sequence[str]) -> bool:
    if not parts:
        return not names
    if parts[0] == _ANY_FOLDERS:
        if _matches(names, parts[1:]):
            return True
        return bool(names) and not names[0].startswith(".") and _matches(names[1:], parts)
    return bool(names) and _fits(names[0], parts[0]) and _matches(names[1:], parts[1:])


def _fits(name: str, part: str) -> bool:
    if not glob.has_magic(part):
        return name == part
    # A wildcard finds no hidden file, as in a shell.
    return fnmatchcase(name, part) and (part.startswith(".") or not name.startswith("."))
