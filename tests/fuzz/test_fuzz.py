"""A few mutants of every kind; `make fuzz` runs many more."""

import pytest

from tests.fuzz.campaign import described, mutants, pairs, run
from tests.fuzz.runner import Runner

MUTANTS = 300
SEED = 0


def test_no_mutant_does_worse_than_be_refused():
    with Runner() as runner:
        outcomes = list(run(runner, mutants(MUTANTS, SEED, pairs())))
    bad = [described(mutant, outcome) for mutant, outcome in outcomes if outcome.bad]
    if bad:
        pytest.fail("\n\n".join(bad), pytrace=False)
    kinds = [outcome.kind for _, outcome in outcomes]
    # Mutants that are all refused would be stopped at the door and show nothing.
    assert kinds.count("ok") > MUTANTS // 10
    assert kinds.count("refused") > MUTANTS // 10
