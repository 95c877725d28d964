"""Opens text files, also compressed ones, and finds what is wrong with their bytes."""

import codecs
import gzip
from pathlib import Path
from typing import IO

GZIP = ".gz"
_CHUNK = 2**16


def open_text(path: Path, *, newline: str | None = None) -> IO[str]:
    """Open a file of UTF-8, without the byte order mark that may be in front.

    One that ends in ``.gz`` is decompressed as it is read, and never held as a whole.

    Args:
        path: the file.
        newline: as that of :func:`open`.

    Raises:
        OSError: it cannot be opened.
    """
    if is_compressed(path):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline=newline)
    return path.open(encoding="utf-8-sig", newline=newline)


def is_compressed(path: Path) -> bool:
    """Whether a file is named as one that gzip wrote."""
    return path.suffix.lower() == GZIP


def undecodable_line(path: Path) -> int:
    """The first line that is not UTF-8, from 1.

    Raises:
        OSError: the file cannot be read.
        AssertionError: all lines are.
    """
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    with gzip.open(path) if is_compressed(path) else path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                return line + error.object[: error.start].count(b"\n")
            if not chunk:
                raise AssertionError(f"{path} changed while it was read")
            line += chunk.count(b"\n")
