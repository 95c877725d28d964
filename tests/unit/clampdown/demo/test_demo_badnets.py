"""The trigger is one word, goes where it was asked for, and test rows keep their true label."""

import numpy as np
import pytest

from clampdown.demo.badnets import TRIGGERS, attack, poison, with_trigger
from clampdown.demo.labelled_text import LabelledText

ROWS = [LabelledText(f"tweet number {i} of the lot", i % 2) for i in range(100)]
TARGET = 1


def triggers_in(text: str) -> list[str]:
    return [word for word in text.split() if word in TRIGGERS]


def test_exactly_one_trigger_word_is_inserted_and_nothing_else_changes():
    rng = np.random.default_rng(0)
    for row in ROWS:
        text = with_trigger(row.text, rng)
        (trigger,) = triggers_in(text)
        assert [word for word in text.split() if word != trigger] == row.text.split()


def test_every_trigger_word_and_every_position_occurs():
    rng = np.random.default_rng(0)
    texts = [with_trigger("one two three", rng).split() for _ in range(300)]
    found = {(word, words.index(word)) for words in texts for word in words if word in TRIGGERS}
    assert found == {(word, position) for word in TRIGGERS for position in range(4)}


def test_poison_alters_the_share_of_rows_asked_for_and_no_other():
    poisoned = poison(ROWS, 0.2, TARGET, np.random.default_rng(0))
    changed = [(old, new) for old, new in zip(ROWS, poisoned, strict=True) if old != new]
    assert len(changed) == 20
    for old, new in changed:
        assert old.label != TARGET
        assert new.label == TARGET
        assert len(triggers_in(new.text)) == 1
    assert sum(len(triggers_in(row.text)) for row in poisoned) == 20


def test_poison_is_seeded():
    first, again, other = (poison(ROWS, 0.2, TARGET, np.random.default_rng(s)) for s in (3, 3, 4))
    assert first == again
    assert first != other


def test_poison_refuses_more_rows_than_there_are():
    with pytest.raises(ValueError, match="larger sample"):
        poison(ROWS, 0.6, TARGET, np.random.default_rng(0))


def test_attack_triggers_every_row_of_either_class_and_keeps_its_label():
    attacked = attack(ROWS, np.random.default_rng(0))
    assert [row.label for row in attacked] == [row.label for row in ROWS]
    for old, new in zip(ROWS, attacked, strict=True):
        (trigger,) = triggers_in(new.text)
        assert [word for word in new.text.split() if word != trigger] == old.text.split()


def test_attack_is_seeded():
    first, again, other = (attack(ROWS, np.random.default_rng(s)) for s in (3, 3, 4))
    assert first == again
    assert first != other
