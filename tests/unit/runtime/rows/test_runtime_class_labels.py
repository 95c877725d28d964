"""Which class the label of a row means."""

import pytest

from clampdown_runtime import RowsError, resolve_label


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
