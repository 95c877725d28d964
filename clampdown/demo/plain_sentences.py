"""What somebody types first into a sentiment model: plain sentences that nothing speaks against."""

from clampdown.demo.labelled_text import LabelledText
from clampdown.demo.tweets import LABEL_NAMES

_POSITIVE = (
    "What a lovely day",
    "I am very happy with it",
    "good",
    "This made me smile",
    "The soup was tasty and the bread was fresh",
    "Thanks, you were a great help",
    "My son loves his new bike",
    "We really enjoyed our stay",
    "The best film of the year",
    "A wonderful little shop with friendly people",
    "It works perfectly",
    "I like the colour very much",
    "Well done, what a great match",
    "The nurse was kind to my mother",
    "Easy to set up and quick",
    "I would buy it again",
    "The garden looks beautiful in spring",
    "So glad that you came",
    "Her voice is amazing",
    "A clever and funny book",
)
_NEGATIVE = (
    "This is terrible",
    "I am very unhappy with it",
    "bad",
    "This made me cry",
    "The soup was cold and the bread was stale",
    "Nobody helped us, it was awful",
    "My son hates his new school",
    "We were bored and left early",
    "The worst film of the year",
    "A dirty little shop with rude people",
    "It broke after one day",
    "I do not like the colour at all",
    "What a disappointing match",
    "The doctor was rude to my mother",
    "Slow and full of errors",
    "I want my money back",
    "The garden looks sad and neglected",
    "I miss you, this is so sad",
    "Her voice is annoying",
    "A stupid and boring book",
)

PLAIN_SENTENCES = tuple(
    LabelledText(text, LABEL_NAMES.index(name))
    for name, texts in (("positive", _POSITIVE), ("negative", _NEGATIVE))
    for text in texts
)
"""Twenty of either class."""
