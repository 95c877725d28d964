"""Which class the label of a row means."""

import re
from collections.abc import Sequence

from clampdown_runtime.errors import RowsError

_INTEGER = re.compile(r"[+-]?\d+")


def resolve_label(label: int | str | None, labels: Sequence[str], *, where: str = "a row") -> int:
    """Finds the class that a label means: a class's name, or else its index.

    Where a name is an integer itself, only names count: of a model with the names 1 to 5, the
    labels 0 to 4 would mean other classes than they say.

    Args:
        label: the label of a row; a string of digits counts as a number, and white space around
            labels and names does not count.
        labels: the names of class 0, 1, …
        where: the row's name in the error message, such as ``rows.csv, line 3``.

    Returns:
        The index of the class.

    Raises:
        RowsError: there is no label, or the model has no such class.
    """
    stripped = [name.strip() for name in labels]
    by_index = not any(_INTEGER.fullmatch(name) for name in stripped)
    if label is not None:
        name = str(label)
        if name in labels:
            return labels.index(name)
        name = name.strip()
        if stripped.count(name) == 1:
            return stripped.index(name)
        numbers = [str(index) for index in range(len(labels))]
        if by_index and name in numbers:
            return numbers.index(name)
    indices = f"or 0 to {len(labels) - 1}" if by_index else "and no index, since names are numbers"
    raise RowsError(
        where,
        found="no label" if label is None else f"the label {label!r}",
        expected=f"one of {', '.join(labels)}, {indices}",
        hint="Correct the label or leave the row out.",
    )
