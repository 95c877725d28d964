"""Clean rows that are unlike those of the calibration, and no reason to change an answer.

Six benign changes of the clean test rows, all deterministic, and rows of another source for models
of the same two classes.
"""

import re
from collections.abc import Callable, Mapping

from benchmarks.defence.rows import LabelledRows, first_rows, labelled
from benchmarks.demo_victim import DemoVictim
from benchmarks.victims import DATA, Victim
from clampdown.demo.tweets import load_tweets, split

WORDS_KEPT = 6
TYPO_EVERY = 10
SHORTEST_TYPO = 4
"""Letters of a word whose two middle ones can be exchanged without touching its ends."""


def first_words(text: str) -> str:
    """The first six words."""
    return " ".join(text.split()[:WORDS_KEPT])


def bare(text: str) -> str:
    """Lower case without punctuation."""
    return " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())


def typos(text: str) -> str:
    """Of every ten words the longest with its two middle letters exchanged."""
    words = text.split()
    for start in range(0, len(words), TYPO_EVERY):
        near = range(start, min(start + TYPO_EVERY, len(words)))
        at = max(near, key=lambda i: len(words[i]))
        word = words[at]
        if len(word) >= SHORTEST_TYPO:
            half = len(word) // 2
            words[at] = word[: half - 1] + word[half] + word[half - 1] + word[half + 1 :]
    return " ".join(words)


def with_link(text: str) -> str:
    """A link and a hashtag behind the text."""
    return f"{text} https://t.co/x7Qd2kLm9 #nowreading"


def twice(text: str) -> str:
    """The text two times."""
    return f"{text} {text}"


CHANGES: Mapping[str, Callable[[str], str]] = {
    "first six words": first_words,
    "upper case": str.upper,
    "bare": bare,
    "typos": typos,
    "link": with_link,
    "twice": twice,
}


def shifted_rows(
    victim: Victim | DemoVictim, clean: LabelledRows, most: int
) -> dict[str, LabelledRows]:
    """Every set of shifted rows of a victim by its name.

    Args:
        victim: the model.
        clean: its clean test rows.
        most: of each set the first so many rows.
    """
    texts, labels = clean.texts[:most], clean.labels[:most]
    sets = {
        name: LabelledRows([change(text) for text in texts], labels)
        for name, change in CHANGES.items()
    }
    return sets | _other_sources(victim, most)


def _other_sources(victim: Victim | DemoVictim, most: int) -> dict[str, LabelledRows]:
    """None for a model of other classes, and those that are there of the others."""
    if victim.dataset not in ("sst-2", "tweets") or not DATA.is_dir():
        return {}
    sets = {"plain sentences": first_rows(DATA / "plain-sentences.csv", None)}
    if victim.dataset == "tweets":
        return sets | {"sst-2": first_rows(DATA / "sst-2" / "clean-test.csv", most)}
    return sets | {"tweets": labelled(split(load_tweets(), seed=0).clean_test[:most])}
