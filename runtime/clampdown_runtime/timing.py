"""Times runs in turn in one process, for the ratios of their times."""

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

Run = Callable[[], object]
Seconds = NDArray[np.float64]

SETTLING_S = 0.05
"""Enough for the threads of the run before to stop waiting for work, which they do in a loop on the
same cores, and for those of this run, which have gone to sleep, to be awake again."""


def seconds_in_turn(
    runs: Mapping[str, Run], *, rounds: int, settling_s: float
) -> dict[str, Seconds]:
    """Seconds that each run takes in every round, ``[rounds]``.

    Machines drift, so all take their turn in every round, in an order of its own: runs of one round
    meet the same machine, and none always follows the same other one.

    Args:
        runs: what is measured, by name.
        rounds: how often each is timed.
        settling_s: before it is timed a run is repeated for so long, and once at least;
            ``SETTLING_S`` where it has more threads than one.
    """
    orders = np.random.default_rng(0)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name in orders.permutation(list(runs)):
            run, settled = runs[name], time.perf_counter() + settling_s
            run()
            while time.perf_counter() < settled:
                run()
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(found) for name, found in seconds.items()}


def median_ratio(of: Seconds, over: Seconds) -> float:
    """Median over the rounds of the ratios of two runs."""
    return float(np.median(of / over))
