"""Evidence that a share is larger than a bound, which may be looked at after every period."""

import numpy as np

_LEAST_EXCESS = 1e-3
"""Share of the rows: what is rarer hardly matters, and takes some ten thousand rows to be seen."""
_ALTERNATIVES = 40
"""Between the least excess and all rows; neighbours are a fifth apart, which costs no evidence."""


class ShareTest:
    """A bet against "each row is a hit with a chance of at most ``bound``".

    The bet on an excess e pays, for every hit, q/bound and for every other row
    (1 - q)/(1 - bound), with q = bound + e(1 - bound): what the rows would be if a share e of them
    was exchanged for hits. Its wealth is an e-process: while the hypothesis holds it reaches 1/a
    with a chance of at most a, whenever and however often it is looked at (Ville, 1939; Ramdas,
    Gruenwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid inference",
    Statistical Science 38, 2023). Bets on 40 excesses share the money, and so do bets that begin
    with each period, the t-th with 1/(t(t + 1)) of it: a late change costs the logarithm of that
    share and no more, where one bet from the beginning would have to win back what the rows
    before have cost it.
    """

    def __init__(self, bound: float) -> None:
        """Nothing is seen yet.

        Args:
            bound: greater than 0; of 1 there is never any evidence.
        """
        excess = np.geomspace(_LEAST_EXCESS, 1, _ALTERNATIVES, endpoint=False)
        chance = bound + (1 - bound) * excess
        with np.errstate(divide="ignore", invalid="ignore"):
            self._hit = np.log(chance / bound)
            self._other = np.log((1 - chance) / (1 - bound))
        self._possible = bound < 1
        self._wealth = self._best = np.full(_ALTERNATIVES, -np.inf)
        self._begun = np.zeros(_ALTERNATIVES, np.int64)
        self._periods = 0

    def look(self, hits: int, rows: int) -> None:
        """Takes the rows of the next period."""
        self._periods += 1
        if not self._possible:
            return
        begins = -np.log(self._periods * (self._periods + 1.0))
        gain = hits * self._hit + (rows - hits) * self._other
        self._wealth = np.logaddexp(self._wealth, begins) + gain
        self._begun = np.where(self._best > begins, self._begun, self._periods - 1)
        self._best = np.maximum(self._best, begins) + gain

    @property
    def evidence(self) -> float:
        """The natural logarithm of the wealth, of which the bets had 1 altogether."""
        largest = self._wealth.max()
        if largest == -np.inf:
            return 0.0
        return float(largest + np.log(np.exp(self._wealth - largest).mean()))

    @property
    def since(self) -> int:
        """The period, from 0, with which the bet began that gained most."""
        return int(self._begun[self._best.argmax()])
