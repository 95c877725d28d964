"""Which class the label of a row means."""

import pytest

from clampdown_runtime import RowsError, resolve_label, resolve_labels


@pytest.mark.parametrize(
    ("label", "index"), [(0, 0), (1, 1), ("1", 1), (" 1 ", 1), ("positive", 1), ("negative", 0)]
)
def test_a_label_is_a_name_or_an_index(label, index):
    assert resolve_label(label, ["negative", "positive"]) == index


def test_names_that_are_numbers_decide():
    stars = ["1", "2", "3"]
    assert [resolve_label(label, stars) for label in (1, "2", " 3")] == [0, 1, 2]
    assert [resolve_label(label, ["0", "1"]) for label in (0, "1")] == [0, 1]


@pytest.mark.parametrize(
    ("label", "names"),
    [(0, ["1", "2", "3"]), ("2", ["-1", " 0 ", "+1"]), (0, ["none", "7", "all"])],
)
def test_an_index_is_refused_where_it_could_be_a_name(label, names):
    with pytest.raises(RowsError) as caught:
        resolve_label(label, names)
    assert "no index" in caught.value.expected


def test_a_name_counts_without_the_space_around_it():
    assert [resolve_label(label, [" pos", "neg\n"]) for label in ("pos", " pos", "neg")] == [
        0,
        0,
        1,
    ]
    assert [resolve_label(label, ["a", "a "]) for label in ("a", "a ")] == [0, 1]
    with pytest.raises(RowsError, match="' a'"):
        resolve_label(" a", ["a", "a "])


@pytest.mark.parametrize("label", [2, -1, "2", "-1", "Positive", "", None, "٣", "9" * 5000])
def test_a_label_that_the_model_does_not_have_is_named(label):
    with pytest.raises(RowsError) as caught:
        resolve_label(label, ["negative", "positive"], where="rows.csv, line 3")
    assert caught.value.thing == "rows.csv, line 3"
    assert "negative, positive" in caught.value.expected
    assert ("no label" if label is None else repr(label)) in caught.value.found


def test_no_label_is_not_a_class_called_none():
    with pytest.raises(RowsError, match="no label"):
        resolve_label(None, ["None", "Some"])


LABELS = ["sport", "politics", "art"]


@pytest.mark.parametrize(
    ("given", "answers"),
    [
        ((), (0, 0, 0)),
        (("art", "sport"), (1, 0, 1)),
        ((2, "1"), (0, 1, 1)),
        ((" art ",), (0, 0, 1)),
        ("politics", (0, 1, 0)),
        (0, (1, 0, 0)),
    ],
)
def test_a_list_of_labels_is_an_answer_to_each(given, answers):
    assert resolve_labels(given, LABELS) == answers


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, "no label"),
        (("music",), "the label 'music'"),
        (("art", ""), "the label ''"),
        (("art", "2"), "one of them twice"),
        # Zeros and ones, one for each label.
        ((0, 1, 1), "one of them twice"),
    ],
)
def test_a_list_that_is_none_of_labels_is_refused(given, found):
    with pytest.raises(RowsError) as caught:
        resolve_labels(given, LABELS, where="line 3")
    assert found in caught.value.found
    assert caught.value.thing == "line 3"


@pytest.mark.parametrize(
    ("given", "answer"),
    [(1, 1), (0, 0), ("1", 1), (" 0 ", 0), ("toxic", 1), (("toxic",), 1), ((), 0)],
)
def test_of_one_label_0_and_1_are_the_answers(given, answer):
    assert resolve_labels(given, ["toxic"]) == (answer,)


@pytest.mark.parametrize("given", [(0,), (1,), ("0",)])
def test_of_one_label_a_number_in_a_list_could_mean_either(given):
    with pytest.raises(RowsError, match="without a list"):
        resolve_labels(given, ["toxic"])


def test_of_one_label_that_is_a_number_only_the_name_counts():
    assert resolve_labels("1", ["1"]) == (1,)
    with pytest.raises(RowsError):
        resolve_labels("0", ["1"])
