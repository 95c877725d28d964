"""Undoes something at the end of a block, even where a signal interrupts that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def surely(undo: Callable[[], None]) -> Iterator[None]:
    """Undo something at the end, whatever happens.

    A signal that arrives meanwhile ends ``undo`` in its middle, and it is called once more. It has
    to bear that; the command line lets the first signal interrupt what is under way, and no other.
    """
    try:
        try:
            yield
        finally:
            undo()
    finally:
        undo()
