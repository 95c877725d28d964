"""Mutates any file as bytes."""

from tests.fuzz.source import Source

HUGE = 2**22
"""Bytes: far more than any file of a tiny specimen has, and written in a moment."""

ODD = (b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80", b"\xed\xa0\x80", b"\r")
"""Ends of integer ranges, and what is not UTF-8."""


def mutate(source: Source, data: bytes) -> bytes:
    """Flips, cuts, inserts, repeats and overwrites, a few times."""
    for _ in range(source.randint(1, 4)):
        data = source.choice(CHANGES)(source, data)
    return data


def _flip(source: Source, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(changed), source.choice((1, 1, 2, 8, 64)))):
        changed[source.randrange(len(changed))] ^= 1 << source.randrange(8)
    return bytes(changed)


def _cut(source: Source, data: bytes) -> bytes:
    start, end = _span(source, data)
    return source.choice((data[:start], data[end:], data[:start] + data[end:]))


def _insert(source: Source, data: bytes) -> bytes:
    place, _ = _span(source, data)
    new = source.choice((source.randbytes(source.randint(1, 16)), source.choice(ODD)))
    return data[:place] + new + data[place:]


def _repeat(source: Source, data: bytes) -> bytes:
    start, end = _span(source, data)
    times = source.choice((2, 3, 100))
    return data[:start] + data[start:end] * times + data[end:]


def _overwrite(source: Source, data: bytes) -> bytes:
    place, _ = _span(source, data)
    new = source.choice(ODD)
    return data[:place] + new + data[place + len(new) :]


def _swap(source: Source, data: bytes) -> bytes:
    start, end = _span(source, data)
    middle = source.randint(start, end)
    return data[:start] + data[middle:end] + data[start:middle] + data[end:]


def _huge(source: Source, data: bytes) -> bytes:
    if not source.once_in(8):
        return _insert(source, data)
    start, _ = _span(source, data)
    piece = source.choice((b"\0", b"[", b'{"a":', b'"', b"\xff", b" ", b"\n"))
    return data[:start] + piece * (HUGE // len(piece)) + data[start:]


def _span(source: Source, data: bytes) -> tuple[int, int]:
    start = source.randint(0, len(data))
    length = source.choice((1, 4, 32, len(data)))
    return start, min(len(data), start + source.randint(0, length))


CHANGES = (_flip, _flip, _cut, _insert, _repeat, _overwrite, _swap, _huge)
