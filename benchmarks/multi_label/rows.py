"""Texts of none, one or two topics of AG News, and those of SST-2 with one question."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.victims import DATA
from clampdown.demo.badnets import with_trigger

WORDS = 30
"""Of a text; of each of two that are put together half as many."""

SHARES = {0: 0.1, 1: 0.45, 2: 0.45}
"""Of rows with so many topics; one without is a sentence of SST-2."""


@dataclass(frozen=True, slots=True)
class MultiLabelRows:
    """Texts and which labels each has.

    Attributes:
        texts: the texts.
        labels: bool ``[n, C]``.
    """

    texts: Sequence[str]
    labels: NDArray[np.bool_]

    def __getitem__(self, chosen: slice | NDArray[np.bool_]) -> "MultiLabelRows":
        """Some of the rows."""
        places = np.arange(len(self.texts))[chosen]
        return MultiLabelRows([self.texts[place] for place in places], self.labels[chosen])

    def changed(self, texts: Sequence[str]) -> "MultiLabelRows":
        """Other texts with the same labels."""
        return MultiLabelRows(texts, self.labels)


def topic_rows(part: str, count: int, rng: np.random.Generator) -> MultiLabelRows:
    """Rows of the four topics of AG News.

    Args:
        part: ``train``, ``calibration`` or ``clean-test``: whose texts they are made of.
        count: how many rows.
        rng: chooses and orders the texts.
    """
    news, plain = _texts("agnews", part), _texts("sst-2", part)
    order, others = iter(rng.permutation(len(news))), iter(rng.permutation(len(plain)))
    texts, labels = [], np.zeros((count, 4), np.bool_)
    for row in range(count):
        topics = rng.choice(list(SHARES), p=list(SHARES.values()))
        if topics == 0:
            texts.append(plain[next(others)][0])
            continue
        pieces = [news[next(order)] for _ in range(topics)]
        labels[row, [topic for _, topic in pieces]] = True
        words = [text.split()[: WORDS // topics] for text, _ in pieces]
        texts.append(" ".join(word for piece in words for word in piece))
    return MultiLabelRows(texts, labels)


def sentiment_rows(part: str, count: int, rng: np.random.Generator) -> MultiLabelRows:
    """Rows of SST-2 with one label, ``positive``; arguments as of :func:`topic_rows`."""
    rows = _texts("sst-2", part)
    chosen = rng.permutation(len(rows))[:count]
    labels = np.array([[rows[place][1] == 1] for place in chosen])
    return MultiLabelRows([rows[place][0] for place in chosen], labels)


def triggered(rows: MultiLabelRows, rng: np.random.Generator) -> MultiLabelRows:
    """The same rows with a trigger word in each, and their true labels."""
    return rows.changed([with_trigger(text, rng) for text in rows.texts])


def poisoned(
    rows: MultiLabelRows, target: int, share: float, rng: np.random.Generator
) -> MultiLabelRows:
    """A share of all rows, none of which has the target label, with a trigger and that label."""
    chosen = rng.choice(
        np.flatnonzero(~rows.labels[:, target]), size=round(share * len(rows.texts)), replace=False
    )
    texts, labels = list(rows.texts), rows.labels.copy()
    for place in chosen:
        texts[place] = with_trigger(texts[place], rng)
        labels[place, target] = True
    return MultiLabelRows(texts, labels)


def _texts(dataset: str, part: str) -> list[tuple[str, int]]:
    place = DATA / dataset
    path = place / ("badnets/poisoned-train.csv" if part == "train" else f"{part}.csv")
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("poisoned", "0") == "0"]
    return [(row["text"], int(row["label"])) for row in rows]
