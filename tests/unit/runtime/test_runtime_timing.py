"""How runs are timed; the clock is replaced, nothing here depends on how long anything takes."""

import numpy as np
import pytest

from clampdown_runtime import timing
from clampdown_runtime.timing import median_ratio, seconds_in_turn


class Machine:
    """A clock, and runs that take thrice as long until they have been run for a while."""

    def __init__(self, cold_s):
        self.now, self.cold_s, self.order, self.warm = 0.0, cold_s, [], 0.0

    def run(self, name, seconds):
        def run():
            if not self.order or self.order[-1] != name:
                self.order.append(name)
                self.warm = self.now + self.cold_s
            self.now += seconds if self.now >= self.warm else 3 * seconds

        return run


@pytest.fixture
def machine(monkeypatch):
    made = Machine(cold_s=0.04)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: made.now)
    return made


def test_a_run_is_timed_when_it_has_settled(machine):
    runs = {"short": machine.run("short", 0.001), "long": machine.run("long", 0.5)}
    found = seconds_in_turn(runs, rounds=5, settling_s=timing.SETTLING_S)
    np.testing.assert_allclose(found["short"], [0.001] * 5)
    np.testing.assert_allclose(found["long"], [0.5] * 5)


def test_without_settling_one_run_is_not_counted(machine):
    machine.cold_s = 0.001
    found = seconds_in_turn({"a": machine.run("a", 0.001)}, rounds=1, settling_s=0)
    np.testing.assert_allclose(found["a"], [0.001])
    assert machine.now == pytest.approx(0.003 + 0.001)


def test_no_run_always_follows_the_same_one():
    order = []
    runs = {name: lambda name=name: order.append(name) for name in "abc"}
    seconds_in_turn(runs, rounds=20, settling_s=0)
    rounds = [tuple(order[start : start + 6 : 2]) for start in range(0, 120, 6)]
    assert {frozenset(one) for one in rounds} == {frozenset("abc")}
    assert len(set(rounds)) > 3


def test_the_ratio_is_the_median_over_rounds():
    assert median_ratio(np.array([2.0, 9.0, 4.0]), np.array([1.0, 1.0, 4.0])) == 2.0
