"""How long-running functions tell their caller where they are."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called as ``progress(stage, done, total)``: the stage's name and its finished and total steps."""


def silent(stage: str, done: int, total: int) -> None:
    """The progress callback that shows nothing."""
