"""Whether rows of one kind have one label more often than the others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Concentration:
    """The label that some rows have more often than others.

    Attributes:
        label: its name.
        share: of the rows, 0 to 1.
        share_of_others: the same of the others.
        rows: how many rows there are.
        p_value: the chance of such a share of any label, were the rows like the others; an upper
            bound.
    """

    label: str
    share: float
    share_of_others: float
    rows: int
    p_value: float


def concentration(
    labels: Sequence[str], rows: Sequence[int], others: Sequence[int]
) -> Concentration | None:
    """Finds the label.

    The p-value is Chernoff's bound of a binomial tail, times the number of labels. The share of the
    others is taken as exact, with one row added to each label: they are many.

    Args:
        labels: names.
        rows: rows of each label.
        others: the rows that they are held against.

    Returns:
        The label with the least p-value; None without rows or with a single label.
    """
    total = sum(rows)
    if not total or len(labels) < 2:
        return None
    found = []
    for label, count, other in zip(labels, rows, others, strict=True):
        share, expected = count / total, (other + 1) / (sum(others) + len(labels))
        distance = 0.0
        if share > expected:
            distance = share * math.log(share / expected)
            if share < 1:
                distance += (1 - share) * math.log((1 - share) / (1 - expected))
        p_value = min(1.0, len(labels) * math.exp(-total * distance))
        found.append(Concentration(label, share, expected, total, p_value))
    return min(found, key=lambda of: (of.p_value, -of.share))
