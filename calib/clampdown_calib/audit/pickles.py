"""Tells a pickle by its bytes, whatever its name, and what it would import; never opens it."""

import bz2
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

LARGEST = 2**26
"""Bytes that are looked through: what a pickle calls stands before what it holds."""

BINARY = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))
"""How pickles begin, but for the first two protocols, which are text."""

NUMPY, NUMPY_HEADER = b"\x93NUMPY", 256
TUPLES = frozenset(("TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"))
MEMO = frozenset(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"))
STRINGS = frozenset(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING"))

TOLD_APART = 4
"""Operations after which bytes that begin like a pickle are taken for one, whole or not: a broken
one runs up to where it breaks, and weights that begin alike do not parse so far."""


def pickle_in(path: Path) -> list[str] | None:
    """What the pickles in a file would import.

    Args:
        path: a regular file.

    Returns:
        Names such as ``os system``, perhaps none; None where the file holds no pickle.
    """
    found = [names for data in _candidates(path) if (names := _imports(data)) is not None]
    return sorted({name for names in found for name in names}) if found else None


def _candidates(path: Path) -> Iterator[bytes]:
    """The file itself, decompressed (joblib), and the members of a zip (torch)."""
    with path.open("rb") as file:
        data = file.read(LARGEST)
    yield data
    yield _decompressed(data)
    # A zip is told by its end: it can follow upon anything else.
    if zipfile.is_zipfile(path):
        try:
            yield from _members(path)
        except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError, ValueError):
            return  # damaged or encrypted: what was found until then counts


def _members(path: Path) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                start = file.read(NUMPY_HEADER)
                if member.filename.endswith(".pkl") or start.startswith((*BINARY, NUMPY)):
                    yield start + file.read(LARGEST)


def _decompressed(data: bytes) -> bytes:
    """At most ``LARGEST`` bytes, so that a small file cannot fill the memory."""
    try:
        if data.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(data, LARGEST)
        if data.startswith(b"\xfd7zXZ"):
            return lzma.LZMADecompressor().decompress(data, LARGEST)
        if data.startswith((b"\x1f\x8b", b"x")):
            # 32 stands for either header, that of gzip and that of zlib.
            return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(data, LARGEST)
    except (OSError, ValueError, lzma.LZMAError, zlib.error):
        pass
    return b""


def _imports(data: bytes) -> list[str] | None:
    """The names that a pickle imports; None where the bytes are no pickle."""
    if data.startswith(NUMPY):
        header = data[:NUMPY_HEADER]
        return [] if b"'|O'" in header or b"'O'" in header else None
    names, strings, before, count = list[str](), list[str](), "", 0
    marked = calls = False
    try:
        for operation, argument, _ in pickletools.genops(data):
            name = operation.name
            count += 1
            marked |= name == "MARK"
            if name in ("GLOBAL", "INST"):
                names.append(str(argument))
            elif name == "STACK_GLOBAL":
                # The strings may come out of the memo instead; then other names are shown.
                names.append(" ".join(strings[-2:]))
            elif name in STRINGS:
                strings = [*strings[-1:], str(argument)]
            calls |= (name == "REDUCE" and before in TUPLES) or (name in ("INST", "OBJ") and marked)
            before = before if name in MEMO else name
    except Exception:  # whatever bytes raise that are no pickle
        before = "broken"
    if data.startswith(BINARY):
        return names if before == "STOP" or count > TOLD_APART else None
    return names if calls and names else None
