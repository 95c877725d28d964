"""Verifies that the files of a folder are exactly those that a manifest lists."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.bundle.manifest import MANIFEST_NAME, SIGNATURE_FILE, Manifest
from clampdown_runtime.errors import BundleError


@dataclass(frozen=True, slots=True)
class FileDifference:
    """One file in which a folder departs from its manifest.

    Attributes:
        path: relative to the bundle, with ``/``.
        kind: ``missing``: listed and not there; ``extra``: there and not listed; ``different``: not
            the bytes that were listed; ``outside``: a symbolic link that leaves the folder.
    """

    path: str
    kind: Literal["missing", "extra", "different", "outside"]

    def __str__(self) -> str:
        return f"{self.path} ({self.kind})"


def bundle_differences(path: Path, manifest: Manifest) -> list[FileDifference]:
    """Compares the files of a folder with a manifest.

    Returns:
        Every difference, sorted by path; none when the folder is exactly what the manifest lists.

    Raises:
        BundleError: a file or folder cannot be read.
    """
    root = real_path(path)
    try:
        differences = list(_differences(root, manifest))
    except OSError as error:
        raise BundleError(
            str(error.filename or path),
            found=f"a file that cannot be read ({error.strerror})",
            expected="readable files",
            hint="Give yourself permission to read the bundle.",
        ) from error
    return sorted(differences, key=lambda difference: difference.path)


def _differences(root: Path, manifest: Manifest) -> Iterator[FileDifference]:
    present: set[str] = set()
    for entry in entries(root):
        name = entry.relative_to(root).as_posix()
        present.add(name)
        if not real_path(entry).is_relative_to(root):
            yield FileDifference(name, "outside")
        elif name == MANIFEST_NAME or (name == SIGNATURE_FILE and entry.is_file()):
            continue
        elif name not in manifest.files:
            yield FileDifference(name, "extra")
        # Only a regular file is read: reading a pipe would wait for ever.
        elif not entry.is_file() or file_digest(entry) != manifest.files[name]:
            yield FileDifference(name, "different")
    for name in manifest.files.keys() - present:
        yield FileDifference(name, "missing")


def real_path(path: Path) -> Path:
    """Where a path leads, whatever links are on it."""
    # Not Path.resolve, which raises RuntimeError on a link to itself before Python 3.13.
    return Path(os.path.realpath(path))


def entries(root: Path) -> Iterator[Path]:
    """Everything under a folder but the folders themselves; links to folders are not followed.

    Raises:
        OSError: a folder cannot be read, which Path.rglob would pass over.
    """
    for folder, folders, files in os.walk(root, onerror=_raise):
        here = Path(folder)
        yield from (here / name for name in files)
        yield from (here / name for name in folders if (here / name).is_symlink())


def _raise(error: OSError) -> NoReturn:
    raise error
