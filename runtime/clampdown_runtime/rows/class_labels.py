"""Which class the label of a row means."""

import re
from collections.abc import Sequence

from clampdown_runtime.errors import RowsError

_ANSWERS = {"0": 0, "1": 1}
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


def resolve_labels(
    label: int | str | Sequence[int | str] | None, labels: Sequence[str], *, where: str = "a row"
) -> tuple[int, ...]:
    """Finds out which of many labels a row has.

    Where there is a single label, 0 and 1 are the answers to it and no index: 1 is a row that has
    it, as in the training of such models.

    Args:
        label: the labels of a row, each a name or an index as in :func:`resolve_label`; one alone
            may stand without a list.
        labels: the names of label 0, 1, …
        where: the row's name in the error message.

    Returns:
        For each of the labels 1 where the row has it and 0 where not.

    Raises:
        RowsError: there is no label, not even an empty list, one is not the model's or there
            twice, or an index is in the list of a model with a single label.
    """
    alone = label if isinstance(label, int | str | None) else None
    given = (label,) if isinstance(label, int | str | None) else tuple(label)
    if len(labels) == 1 and labels[0].strip() not in _ANSWERS:
        if (answer := _ANSWERS.get(str(alone).strip())) is not None:
            return (answer,)
        if alone is None and any(str(one).strip() in _ANSWERS for one in given):
            raise RowsError(
                where,
                found=f"the labels {[*given]!r}",
                expected=f"1 or {labels[0]!r} where it has the label, 0 or an empty list where not",
                hint="Write 0 or 1 without a list, or the label's name in it.",
            )
    found = [resolve_label(one, labels, where=where) for one in given]
    if len(set(found)) < len(found):
        raise RowsError(
            where,
            found=f"the labels {[*given]!r}, one of them twice",
            expected="each label of the row once, by its name or index",
            hint="A list of zeros and ones, one for each label, has to be made one of the labels "
            "that the row has.",
        )
    return tuple(int(index in found) for index in range(len(labels)))
