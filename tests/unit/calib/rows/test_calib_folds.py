"""The parts that the clean rows are dealt into."""

import numpy as np
import pytest

from clampdown_calib.rows.folds import FOLDS, folds


@pytest.mark.parametrize("rows", [5, 23, 200])
def test_every_row_is_in_one_part_and_parts_are_of_one_size(rows):
    parts = np.stack(list(folds(np.arange(rows) % 3)))
    assert (parts.sum(axis=0) == 1).all()
    assert np.ptp(parts.sum(axis=1)) <= 1


@pytest.mark.parametrize("classes", [2, 5, 10])
@pytest.mark.parametrize("order", ["in turn", "sorted"])
def test_every_part_has_its_share_of_every_class_whatever_the_order(classes, order):
    labels = np.arange(40 * classes) % classes
    if order == "sorted":
        labels.sort()
    for part in folds(labels):
        assert (np.bincount(labels[part], minlength=classes) == 40 // FOLDS).all()


def test_rows_that_alternate_within_their_class_are_mixed():
    # Two sources of rows, by turns, both classes from each: parts by place would part them.
    source = np.arange(400) // 2 % 2
    for part in folds(np.arange(400) % 2):
        assert 0.3 < source[part].mean() < 0.7


def test_a_class_with_fewer_rows_than_parts_is_never_in_one_part_alone():
    labels = np.array([0] * 97 + [1] * 3)
    assert max(labels[part].sum() for part in folds(labels)) == 1


def test_the_same_rows_are_always_dealt_alike():
    labels = np.arange(50) % 4
    np.testing.assert_array_equal(list(folds(labels)), list(folds(labels)))
