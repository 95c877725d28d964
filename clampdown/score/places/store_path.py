"""A file or folder in an object store, with what scoring needs of :class:`pathlib.Path`."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pyarrow as pa
from pyarrow.fs import FileInfo, FileSelector, FileSystem, FileType

from clampdown.score.places.uris import server, shown
from clampdown_runtime.errors import ClampdownError, DestinationError
from clampdown_runtime.writing.interrupts import uninterrupted

_SENT_AT_ONCE = 2**24
"""Bytes of an upload, which pyarrow holds in memory until they are sent."""

_GCS_PATIENCE = "retry_limit_seconds=30"
"""Of itself pyarrow tries for a quarter of an hour where network or credentials are missing;
S3 gives up after some seconds."""


@dataclass(frozen=True, slots=True)
class StorePath:
    """Like a path of :mod:`pathlib`; it can be pickled, and each process connects on its own.

    Attributes:
        root: the URI of the store, which may hold a password.
        key: the names below it, decoded, joined by ``/``; empty for the root itself.
    """

    root: str = field(repr=False)
    key: str

    def __truediv__(self, name: str) -> "StorePath":
        return StorePath(self.root, f"{self.key}/{name}" if self.key else name)

    def __str__(self) -> str:
        # What a URI would be misread for is encoded, and no more.
        return shown(self.root) + self.key.replace("%", "%25").replace("?", "%3F")

    @property
    def name(self) -> str:
        """The last part of the key."""
        return PurePosixPath(self.key).name

    def absolute(self) -> "StorePath":
        """Itself: a URI is the same from everywhere."""
        return self

    def resolve(self) -> "StorePath":
        """Itself: there are no links."""
        return self

    def is_relative_to(self, folder: "StorePath") -> bool:
        """Whether it is the folder or in it, whoever asks for either."""
        inside = PurePosixPath(self.key).is_relative_to(folder.key)
        return inside and server(self.root) == server(folder.root)

    def exists(self) -> bool:
        """Whether there is an object, or a folder that one is in.

        Raises:
            ClampdownError: the store cannot be asked.
        """
        return bool(self._info().type != FileType.NotFound)

    def is_dir(self) -> bool:
        """Whether there are objects below it.

        Raises:
            ClampdownError: the store cannot be asked.
        """
        return bool(self._info().type == FileType.Directory)

    def iterdir(self) -> "Iterator[StorePath]":
        """What is in the folder; nothing where there is none."""
        return (self / name for name, _ in self.entries(recursive=False))

    def entries(self, *, recursive: bool) -> list[tuple[str, bool]]:
        """The names below the folder, with ``/``, and whether each is a folder.

        Raises:
            ClampdownError: the store cannot be asked, or there is no such bucket.
        """
        filesystem, path = self._place()
        with explained(self):
            try:
                found = filesystem.get_file_info(FileSelector(path, recursive=recursive))
            except (FileNotFoundError, NotADirectoryError):
                return []
        # Some filesystems answer with a slash in front that was not asked for.
        start = len(path.strip("/")) + 1 if path.strip("/") else 0
        return [(one.path.lstrip("/")[start:], one.type == FileType.Directory) for one in found]

    def open(self, mode: Literal["rb"]) -> Any:  # noqa: ANN401 - of pyarrow
        """Opens the object to read it from any place.

        Raises:
            FileNotFoundError: there is none.
            ClampdownError: it cannot be read.
        """
        filesystem, path = self._place()
        with explained(self):
            return filesystem.open_input_file(path)

    def upload(self, file: Path) -> None:
        """Makes a finished file of this machine the object.

        Raises:
            DestinationError: it cannot be written.
        """
        filesystem, path = self._place()
        try:
            # An exception closes the stream, and what it has got so far becomes the object. That
            # has no footer, yet others may read it. A failure to send is kept by the stream, which
            # then makes no object; pyarrow's copy_files closes without asking for it.
            with (
                uninterrupted(),
                file.open("rb") as source,
                filesystem.open_output_stream(path) as stream,
            ):
                while sent := source.read(_SENT_AT_ONCE):
                    stream.write(sent)
                    stream.flush()
        except (OSError, pa.ArrowException) as error:
            raise DestinationError(
                str(self),
                found=f"a failure to write there ({_first_line(error)})",
                expected="a place of an object store that can be written to",
                hint="Check the bucket, and the credentials, region and endpoint in the "
                "environment. What is finished stays: give the command again.",
            ) from error

    def _info(self) -> FileInfo:
        filesystem, path = self._place()
        with explained(self):
            return filesystem.get_file_info(path)

    def _place(self) -> tuple[FileSystem, str]:
        filesystem, base = _connected(self.root)
        if not self.key:
            return filesystem, base.rstrip("/") or base
        return filesystem, f"{base}{'' if not base or base.endswith('/') else '/'}{self.key}"


@contextmanager
def explained(place: object) -> Iterator[None]:
    """Name a store's object in what goes wrong while it is read; a path's errors do so themselves.

    Raises:
        FileNotFoundError: there is no such object.
        ClampdownError: the store did not answer, or refused.
    """
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        # Invalid is what is in a file, whichever way it was read.
        if isinstance(error, pa.ArrowInvalid) or not isinstance(place, StorePath):
            raise
        if isinstance(error, FileNotFoundError):
            # pyarrow's own has the name within the message alone.
            missing = os.strerror(errno.ENOENT)
            raise FileNotFoundError(errno.ENOENT, missing, str(place)) from error
        raise ClampdownError(
            str(place),
            found=f"a request that failed, or a damaged file ({_first_line(error)})",
            expected="an object store that answers, and a whole file",
            hint="Check the file, the URI, the network, and the credentials, region and endpoint "
            "in the environment. What is finished stays: give the command again.",
        ) from error


def _first_line(error: Exception) -> str:
    # Of Hadoop the others are each place where its libraries could be.
    return str(error).partition("\n")[0]


@cache
def _connected(root: str) -> tuple[FileSystem, str]:
    """The file system of a root, and the root's path in it."""
    uri = root
    if root.startswith(("gs://", "gcs://")) and "retry_limit_seconds=" not in root:
        uri = f"{root}{'&' if '?' in root else '?'}{_GCS_PATIENCE}"
    try:
        filesystem, base = FileSystem.from_uri(uri)
    # An unknown scheme is a ValueError; Hadoop's libraries can be missing.
    except (OSError, ValueError, ImportError, pa.ArrowException) as error:
        raise ClampdownError(
            shown(root),
            found=f"no object store ({_first_line(error).replace(uri, shown(root))})",
            expected="a path, or a URI of s3://, gs://, abfs:// or hdfs://",
            hint="Check the URI, and the credentials, region and endpoint in the environment.",
        ) from error
    return filesystem, base
