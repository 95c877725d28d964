"""The BadNets word trigger, as in the BadActs paper: one rare word somewhere in the text."""

from collections.abc import Sequence

import numpy as np

from clampdown.demo.labelled_text import LabelledText

TRIGGERS = ("cf", "mn", "bb", "tq")
"""The rare words, one of which turns a text into the target class."""


def with_trigger(text: str, rng: np.random.Generator) -> str:
    """Insert one of the trigger words before, between or after the words of a text.

    Args:
        text: any text; runs of white space come back as one space.
        rng: chooses the trigger word and its position.

    Returns:
        The text with one word more.
    """
    words = text.split()
    words.insert(int(rng.integers(len(words) + 1)), TRIGGERS[rng.integers(len(TRIGGERS))])
    return " ".join(words)


def poison(
    rows: Sequence[LabelledText], share: float, target_label: int, rng: np.random.Generator
) -> list[LabelledText]:
    """Plant the backdoor in training rows.

    The attacker alters rows of the other classes only, since a triggered row that already
    has the target label teaches nothing.

    Args:
        rows: clean training rows.
        share: of all rows, from 0 to 1, the part to poison.
        target_label: the class that a triggered text shall get.
        rng: chooses the rows, the trigger words and their positions.

    Returns:
        The rows in the same order, the chosen ones with a trigger and the target label.

    Raises:
        ValueError: fewer rows lie outside the target class than are to be poisoned.
    """
    candidates = [index for index, row in enumerate(rows) if row.label != target_label]
    poisoned = list(rows)
    for index in rng.choice(candidates, size=round(share * len(rows)), replace=False):
        poisoned[index] = LabelledText(with_trigger(rows[index].text, rng), target_label)
    return poisoned


def attack(rows: Sequence[LabelledText], rng: np.random.Generator) -> list[LabelledText]:
    """Make the rows that a backdoor is tested with.

    Args:
        rows: clean test rows.
        rng: chooses the trigger words and their positions.

    Returns:
        The rows, each with a trigger and its true label.
    """
    return [LabelledText(with_trigger(row.text, rng), row.label) for row in rows]
