"""Which shares of the rows are held against the clean ones, and what each may be."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from clampdown_runtime.monitor.bounds import lower_bound, upper_bound
from clampdown_runtime.monitor.scale import Scale

Kind = Literal["flags", "scores"]
"""``flags``: more rows than clean ones account for lie high; ``scores``: the whole range moved."""

_FOR_HIGHEST, _FOR_SECOND, _FOR_FLAGGED = 0.5, 0.1, 0.05
"""Shares of the chance of a false alarm. A trigger's rows lie beyond the clean ones', where a rare
attack shows first and few clean rows leave most open; the second highest is there since the highest
can be an outlier. What is left is for the seven tests of the whole range."""
_FOR_BOUNDS = 0.9
"""Of a test's chance, for the calibration: the bound pays dearly for it, the bet a logarithm."""


@dataclass(frozen=True, slots=True)
class Level:
    """A share of the rows that has a bound.

    Attributes:
        kind: what it says when it is passed.
        over: a score by its index in the scale's edges: rows over it are counted.
        among: ``rows``: of all of them; ``unflagged``: of those at most at the threshold, which an
            attack leaves as they are.
        is_upper: whether the bound is the largest that the share may be, or the least.
        bound: after the clean rows, 0 to 1.
        chance: of an alarm where the bound holds; the rest went into the bound.
        clean: the share of the clean rows.
    """

    kind: Kind
    over: int
    among: Literal["rows", "unflagged"]
    is_upper: bool
    bound: float
    chance: float
    clean: float

    def hits(self, scores: tuple[int, ...], threshold: int) -> tuple[int, int]:
        """The rows that are evidence, and the rows that they are counted among."""
        counted = scores if self.among == "rows" else scores[: threshold + 1]
        over, rows = sum(counted[self.over + 1 :]), sum(counted)
        return (over if self.is_upper else rows - over), rows


def levels_of(scale: Scale, chance: float) -> tuple[Level, ...]:
    """The tests of a scale.

    Args:
        scale: with the clean rows in it.
        chance: that any of them ever gives a false alarm, 0 to 1.
    """
    return tuple(_levels(scale, chance))


def _levels(scale: Scale, chance: float) -> Iterator[Level]:
    last = len(scale.edges) - 1
    for over, part in (
        (last, _FOR_HIGHEST),
        (last - 1, _FOR_SECOND),
        (scale.threshold, _FOR_FLAGGED),
    ):
        if over > scale.threshold or part == _FOR_FLAGGED:
            yield _level(scale, "flags", over, "rows", chance * part, is_upper=True)
    quartiles = _quartiles(scale)
    left = 1 - (_FOR_HIGHEST + _FOR_SECOND + _FOR_FLAGGED)
    each = chance * left / (2 * len(quartiles) + 1)
    yield _level(scale, "scores", scale.threshold, "rows", each, is_upper=False)
    for over in quartiles:
        for is_upper in (True, False):
            yield _level(scale, "scores", over, "unflagged", each, is_upper=is_upper)


def _quartiles(scale: Scale) -> tuple[int, ...]:
    passed = scale.clean[: scale.threshold + 1]
    below = range(scale.threshold)
    return tuple(
        {
            min(below, key=lambda i: abs(sum(passed[: i + 1]) - part * sum(passed))): None
            for part in (0.25, 0.5, 0.75)
            if below
        }
    )


def _level(
    scale: Scale,
    kind: Kind,
    over: int,
    among: Literal["rows", "unflagged"],
    chance: float,
    *,
    is_upper: bool,
) -> Level:
    counted = scale.clean if among == "rows" else scale.clean[: scale.threshold + 1]
    hits, rows = sum(counted[over + 1 :]), sum(counted)
    bound = (upper_bound if is_upper else lower_bound)(hits, rows, chance * _FOR_BOUNDS)
    return Level(kind, over, among, is_upper, bound, chance * (1 - _FOR_BOUNDS), hits / rows)
