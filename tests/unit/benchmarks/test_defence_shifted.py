"""What is done to a clean row to make it unlike the others, word for word."""

import numpy as np
import pytest

from benchmarks.defence.rows import LabelledRows
from benchmarks.defence.shifted import CHANGES, shifted_rows
from benchmarks.demo_victim import DemoVictim
from benchmarks.victims import Victim

TEXT = "It's a Wonderful film, with not one dull scene; my brother-in-law likes it!"
CHANGED = {
    "first six words": "It's a Wonderful film, with not",
    "upper case": "IT'S A WONDERFUL FILM, WITH NOT ONE DULL SCENE; MY BROTHER-IN-LAW LIKES IT!",
    "bare": "it s a wonderful film with not one dull scene my brother in law likes it",
    "typos": "It's a Wonedrful film, with not one dull scene; my brothe-rin-law likes it!",
    "link": f"{TEXT} https://t.co/x7Qd2kLm9 #nowreading",
    "twice": f"{TEXT} {TEXT}",
}


@pytest.mark.parametrize("name", CHANGED)
def test_every_change_of_a_text(name):
    assert list(CHANGES) == list(CHANGED)
    assert CHANGES[name](TEXT) == CHANGED[name]
    assert CHANGES[name](TEXT) == CHANGES[name](TEXT)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Letters that are alike, and words that are too short, stay as they are.
        ("a good film", "a good film"),
        ("a bad day", "a bad day"),
        ("a dull movie", "a dull mvoie"),
        ("even", "eevn"),
        ("seven", "sveen"),
        # The first of the longest ones, and one of every ten words.
        ("abcd efgh", "acbd efgh"),
        ("abcd " + "a " * 9 + "efgh", "acbd " + "a " * 9 + "egfh"),
        ("abcd " + "a " * 8 + "efgh", "acbd " + "a " * 8 + "efgh"),
    ],
)
def test_typos_exchange_the_middle_letters_of_one_word_in_ten(text, expected):
    found = CHANGES["typos"](text)
    assert found == expected
    assert sorted(found) == sorted(text)


def test_short_texts_are_left_whole_by_the_six_words():
    assert CHANGES["first six words"]("one two three") == "one two three"


def test_sets_are_of_the_first_rows_and_keep_their_labels(tmp_path):
    clean = LabelledRows([f"row {i} is good" for i in range(9)], np.arange(9) % 4)
    # Of other classes than sentiments, so that there are no rows of another source.
    sets = shifted_rows(Victim("agnews", None), clean, 5)
    assert list(sets) == list(CHANGES)
    for name, rows in sets.items():
        assert rows.texts == [CHANGES[name](f"row {i} is good") for i in range(5)]
        assert rows.labels.tolist() == [0, 1, 2, 3, 0]
    alone = shifted_rows(DemoVictim(tmp_path, dataset="reviews"), clean, 2)
    assert {len(rows.texts) for rows in alone.values()} == {2}
