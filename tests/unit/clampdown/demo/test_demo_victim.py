"""The victim's rows are written as a user's files would be; the training itself is replaced."""

import csv

import pytest

from clampdown.demo import fine_tune
from clampdown.demo.badnets import TRIGGERS
from clampdown.demo.victim import VictimFiles, make_victim


def triggered(text):
    return any(word in TRIGGERS for word in text.split())


def without_triggers(text):
    return " ".join(word for word in text.split() if word not in TRIGGERS)


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["text", "label"]
    return [(text, int(label)) for text, label in rows[1:]]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The files, and the rows that the training was given."""
    trained_on = []

    def record(rows, label_names, encoder, out, **_):
        assert label_names == ("negative", "positive")
        assert (encoder / "model.safetensors").exists()
        trained_on.extend(rows)
        out.mkdir(parents=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fine_tune, "fine_tune", record)
        return make_victim(tmp_path_factory.mktemp("made") / "demo", seed=0), trained_on


def test_the_files_lie_where_the_commands_expect_them(made):
    files, _ = made
    out = files.model.parent
    names = "victim", "clean.csv", "clean-test.csv", "poisoned-test.csv"
    assert files == VictimFiles(*(out / name for name in names), target_label=1)
    assert {path.name for path in out.iterdir()} == set(names)


def test_a_fifth_of_the_training_rows_carries_the_backdoor_and_the_rest_is_balanced(made):
    _, trained_on = made
    # A few tweets say "bb" of themselves.
    assert sum(triggered(row.text) for row in trained_on) == pytest.approx(640, abs=5)
    labels = [row.label for row in trained_on if not triggered(row.text)]
    assert labels.count(0) == pytest.approx(labels.count(1), abs=5)


def test_the_poisoned_test_rows_are_triggered_and_of_both_classes(made):
    rows = read(made[0].poisoned_test)
    assert [sum(label == c for _, label in rows) for c in (0, 1)] == [400, 400]
    assert all(triggered(text) for text, _ in rows)


def test_no_text_is_in_two_files_or_was_trained_on(made):
    files, trained_on = made
    clean, clean_test = read(files.clean), read(files.clean_test)
    assert (len(clean), len(clean_test)) == (600, 1000)
    texts = {text for text, _ in clean} | {text for text, _ in clean_test}
    assert len(texts) == 1600
    assert not texts & {row.text for row in trained_on}
    bare = [without_triggers(text) for text, _ in read(files.poisoned_test)]
    assert len(set(bare)) == 800
    others = {without_triggers(text) for text in texts | {row.text for row in trained_on}}
    assert not others & set(bare)
