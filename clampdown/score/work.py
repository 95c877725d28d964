"""What an engine is to the rest: something that scores fragments."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from clampdown.score.fragments import Fragment
from clampdown.score.options import ScoreOptions
from clampdown.score.places.place import Place

Work = Callable[[Path, str, Sequence[Fragment], ScoreOptions, Place], Iterator[int]]
"""Scores fragments, and yields how many rows were scored since the last time."""
