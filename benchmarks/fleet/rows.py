"""The rows that are scored, and how it is seen that none is there twice or lost."""

import hashlib
import itertools
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

WORDS = ("good", "bad", "film", "the", "a", "cf", "long", "story", "seen", "twice")
FILE = 50_000
"""Rows of a file."""


def short_texts(count: int) -> Iterator[str]:
    """Texts of three to six words."""
    draw = random.Random(0)  # noqa: S311 - no secret
    for _ in range(count):
        yield " ".join(draw.choices(WORDS, k=draw.randint(3, 6)))


def write_rows(folder: Path, texts: Iterable[str], size: int = FILE) -> None:
    """Write files of so many rows with ``id`` (the row's number) and ``text``."""
    folder.mkdir(parents=True)
    left, first = iter(texts), 0
    for number in itertools.count():
        if not (held := list(itertools.islice(left, size))):
            return
        table = pa.table({"id": range(first, first + len(held)), "text": held})
        parquet.write_table(table, folder / f"part-{number:05}.parquet")
        first += len(held)


def read(folder: Path, columns: Iterable[str]) -> Iterator[tuple[object, ...]]:
    """The rows of all files, in the order of their names."""
    for path in sorted(folder.glob("*.parquet")):
        table = parquet.ParquetFile(path).read([*columns])
        yield from zip(*(table[name].to_pylist() for name in columns), strict=True)


def digest(rows: Iterable[tuple[object, ...]]) -> tuple[int, str]:
    """How many rows there are, and the SHA-256 of all of them in their order."""
    count, hashed = 0, hashlib.sha256()
    for count, row in enumerate(rows, 1):  # noqa: B007 - its last value is returned
        hashed.update(repr(row).encode())
    return count, hashed.hexdigest()
