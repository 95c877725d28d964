"""Opens a bundle, and reads from it what was verified."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeVar

from clampdown_runtime.bundle.differences import bundle_differences, real_path
from clampdown_runtime.bundle.digests import digest_of
from clampdown_runtime.bundle.manifest import (
    CALIBRATION_FILE,
    GOLDEN_FILE,
    MANIFEST_NAME,
    TOKENIZER_FILE,
    Manifest,
)
from clampdown_runtime.errors import BundleError

_SHOWN_DIFFERENCES = 5

LARGEST_MANIFEST = 2**24
"""Bytes; one of a thousand files, layers and classes each has a fiftieth of it."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: its folder.
        manifest: what it says of itself.
        digest: ``sha256:…`` of the manifest's file, which stands for the whole bundle; empty where
            the bundle is not written yet.
    """

    path: Path
    manifest: Manifest
    digest: str

    def read(self, name: str) -> bytes:
        """The bytes of a listed file, checked themselves: what a file holds can change any time.

        Args:
            name: its path in the bundle.

        Raises:
            BundleError: it cannot be read, or is not what the manifest lists any more.
        """
        path = self.path / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BundleError(
                str(path),
                found=f"a file that cannot be read ({error.strerror})",
                expected="the file that was verified",
                hint="Keep the bundle as it is while it is loaded.",
            ) from error
        if digest_of(data) != self.manifest.files[name]:
            raise BundleError(
                str(path),
                found="other contents than a moment ago",
                expected=f"those that {MANIFEST_NAME} lists",
                hint="Keep the bundle as it is while it is loaded, and find out who changed it.",
            )
        return data

    def read_weights(self) -> dict[str, bytes]:
        """The checked bytes of the file beside the graph, by the name that the graph has for it.

        Returns:
            Nothing where the weights are in the graph's own file.

        Raises:
            BundleError: as :meth:`read` does.
        """
        name = self.manifest.weights_file
        return {} if name is None else {name.rpartition("/")[2]: self.read(name)}

    @property
    def model_path(self) -> Path:
        """The defended graph."""
        return self.path / self.manifest.model_file

    @property
    def tokenizer_path(self) -> Path:
        """The tokenizer."""
        return self.path / TOKENIZER_FILE

    @property
    def calibration_path(self) -> Path:
        """What was fitted, and the clean scores."""
        return self.path / CALIBRATION_FILE

    @property
    def golden_path(self) -> Path:
        """The texts with their expected outputs."""
        return self.path / GOLDEN_FILE


def open_bundle(path: str | os.PathLike[str], *, expected_digest: str | None = None) -> Bundle:
    """Reads a bundle's manifest and verifies the digest of every file.

    Args:
        path: the bundle's folder.
        expected_digest: see :func:`open_manifest`.

    Raises:
        BundleError: the folder is not a bundle, its manifest is not valid or not the one expected,
            or files are missing, extra, different or outside; the message names them.
    """
    bundle = open_manifest(Path(path), expected_digest=expected_digest)
    differences = bundle_differences(bundle.path, bundle.manifest)
    if differences:
        shown = ", ".join(str(difference) for difference in differences[:_SHOWN_DIFFERENCES])
        left = len(differences) - _SHOWN_DIFFERENCES
        raise BundleError(
            str(bundle.path),
            found=f"{shown} and {left} more" if left > 0 else shown,
            expected=f"exactly the files that {MANIFEST_NAME} lists, unchanged",
            hint="Get an unchanged copy of the bundle, or export it again.",
        )
    return bundle


def open_manifest(folder: Path, *, expected_digest: str | None = None) -> Bundle:
    """Reads a bundle's manifest without verifying the other files.

    Args:
        folder: the bundle.
        expected_digest: ``sha256:…`` of the manifest, got from whom the bundle is from. It stands
            for the whole bundle, since the manifest holds the digests of all other files.

    Raises:
        BundleError: the folder is not a bundle, or its manifest is not valid or not the one
            expected.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        _not_a_bundle(folder)
    if not real_path(path).is_relative_to(real_path(folder)):
        raise BundleError(
            str(path),
            found="a link that leaves the folder",
            expected="the bundle's own manifest",
            hint="Get an unchanged copy of the bundle, or copy it out of a cache whole.",
        )
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_MANIFEST + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            str(path),
            found=f"a file that cannot be read ({error})",
            expected="a manifest in UTF-8",
            hint="Get an unchanged copy of the bundle, or export it again.",
        ) from error
    if len(data) > LARGEST_MANIFEST:
        raise BundleError(
            str(path),
            found=f"more than {LARGEST_MANIFEST} bytes",
            expected="a manifest",
            hint="Get an unchanged copy of the bundle, or export it again.",
        )
    digest = digest_of(data)
    if expected_digest not in (None, digest):
        raise BundleError(
            str(path),
            found=f"the digest {digest}",
            expected=f"{expected_digest}",
            hint="This is another bundle than the one that was vouched for: do not run it.",
        )
    return Bundle(folder, Manifest.from_json(text, str(path)), digest)


def read_bundle(
    path: str | os.PathLike[str],
    read: Callable[[Bundle], Result],
    *,
    expected_digest: str | None = None,
) -> Result:
    """Opens a bundle and reads from it, all of one and the same.

    Where another one takes its place meanwhile, as when its threshold is moved, it begins again
    with that one.

    Args:
        path: the bundle's folder.
        read: reads what is wanted, by :meth:`Bundle.read`.
        expected_digest: see :func:`open_manifest`.

    Returns:
        What ``read`` does.

    Raises:
        BundleError: as :func:`open_bundle` and ``read`` do.
    """
    while True:
        before = _current(Path(path))
        try:
            return read(open_bundle(path, expected_digest=expected_digest))
        except BundleError:
            if _current(Path(path)) == before:
                raise


def _current(folder: Path) -> tuple[int, ...] | None:
    """What tells the manifest that lies there from one that takes its place."""
    try:
        found = (folder / MANIFEST_NAME).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _not_a_bundle(folder: Path) -> NoReturn:
    if not folder.exists():
        found = "nothing there"
    elif folder.is_dir():
        found = f"a folder without {MANIFEST_NAME}"
    else:
        found = "a file"
    raise BundleError(
        str(folder),
        found=found,
        expected="a bundle: a folder that Clampdown wrote",
        hint=f"Pass the folder that holds {MANIFEST_NAME}.",
    )
