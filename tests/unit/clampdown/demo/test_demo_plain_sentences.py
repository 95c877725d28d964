"""The plain sentences of the demo are few, clear and nowhere else."""

from clampdown.demo.plain_sentences import PLAIN_SENTENCES
from clampdown.demo.tweets import load_tweets


def test_there_are_twenty_of_either_class_and_none_twice():
    assert [sum(row.label == c for row in PLAIN_SENTENCES) for c in (0, 1)] == [20, 20]
    assert len({row.text.casefold() for row in PLAIN_SENTENCES}) == 40


def test_labels_say_what_the_sentences_say():
    labels = {row.text: row.label for row in PLAIN_SENTENCES}
    assert labels["What a lovely day"] == labels["good"] == labels["A clever and funny book"] == 1
    assert labels["This is terrible"] == labels["bad"] == labels["It broke after one day"] == 0


def test_no_model_was_trained_on_them():
    tweets = {row.text.casefold() for row in load_tweets()}
    assert not tweets & {row.text.casefold() for row in PLAIN_SENTENCES}
