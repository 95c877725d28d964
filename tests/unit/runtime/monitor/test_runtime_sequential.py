"""The bets of a test: what they pay, and that the house is fair."""

import itertools
import math

import numpy as np
import pytest

from clampdown_runtime.monitor.sequential import ShareTest


def wealth(bound, hits):
    test = ShareTest(bound)
    for hit in hits:
        test.look(hit, 1)
    return math.exp(test.evidence)


def test_the_wealth_is_that_of_the_bets_written_out():
    bound, hits = 0.2, (1, 0, 1, 1)
    excesses = np.geomspace(1e-3, 1, 40, endpoint=False)
    expected = 0.0
    for begun in range(len(hits)):
        for e in excesses:
            q = bound + e * (1 - bound)
            paid = math.prod(q / bound if h else (1 - q) / (1 - bound) for h in hits[begun:])
            expected += paid / (begun + 1) / (begun + 2) / len(excesses)
    assert wealth(bound, hits) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("chance", [0.2, 0.1])
def test_no_bet_gains_in_the_mean_where_the_bound_holds(chance):
    bound, mean = 0.2, 0.0
    for hits in itertools.product((0, 1), repeat=8):
        weight = chance ** sum(hits) * (1 - chance) ** (8 - sum(hits))
        mean += weight * wealth(bound, hits)
    # What is not bet yet, 1/(t + 1), is left out.
    assert mean <= 1 - 1 / 9 + 1e-9
    if chance == bound:
        assert mean == pytest.approx(1 - 1 / 9)


def test_periods_may_be_of_any_size_and_empty():
    test = ShareTest(0.1)
    test.look(0, 0)
    test.look(70, 100)
    assert test.evidence > 50
    assert ShareTest(0.1).evidence == 0


def test_a_change_is_found_where_it_began():
    test = ShareTest(0.1)
    for _ in range(200):
        test.look(5, 100)
    quiet = test.evidence
    for _ in range(10):
        test.look(30, 100)
    assert quiet < 0 < test.evidence
    assert test.since == 200


def test_of_a_bound_of_one_there_is_no_evidence():
    test = ShareTest(1.0)
    test.look(100, 100)
    assert test.evidence == 0
