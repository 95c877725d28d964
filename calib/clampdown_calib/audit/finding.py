"""What an audit reports."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "refused",
    "adapter",
    "damaged",
    "pickle",
    "code",
    "link",
    "file",
    "external-data",
    "operator",
    "inputs",
    "token-logic",
    "value-logic",
    "side-way",
    "weights",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes:
        kind: what it is.
        file: where, relative to the model with ``/``; ``.`` for the model as a whole.
        detail: a sentence on it.
        review: a person has to look at it before the model is used; otherwise it is a remark.
    """

    kind: Kind
    file: str
    detail: str
    review: bool


def listed(names: list[str], most: int = 5) -> str:
    """The first of some names and how many are left."""
    left = len(names) - most
    return ", ".join(names[:most]) + (f" and {left} more" if left > 0 else "")
