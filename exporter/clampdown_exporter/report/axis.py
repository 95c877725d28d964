"""Axes: where the ticks are, what they say, and where a value lies between the ends.

Positions are percentages of the plot, so that a drawing stretches with the page while its text
keeps its size.
"""

from dataclasses import dataclass
from math import ceil, floor, log10

from clampdown_exporter.report.notation import MINUS

STEPS = (1, 2, 5, 10)
MOST_DECADES = 6


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis.

    Attributes:
        at: percentage of the axis, 0 at its low end.
        label: the value there.
    """

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from ``low`` to ``high``, ``low < high``; a logarithmic one has ``low > 0``."""

    low: float
    high: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Where a value lies, in percent of the axis; beyond the ends it stays at them."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, value = log10(low), log10(high), log10(value)
        return 100 * (value - low) / (high - low)

    def ticks(self, most: int = 6) -> tuple[Tick, ...]:
        """Round values between the ends, about ``most`` at most."""
        if self.logarithmic:
            values = self._decades()
            return tuple(Tick(self.at(value), _label(value, value)) for value in values)
        step = round_step((self.high - self.low) / most)
        # The ends of an axis are often round themselves and only just missed by rounding.
        first, last = ceil(self.low / step - 1e-6), floor(self.high / step + 1e-6)
        return tuple(
            Tick(self.at(count * step), _label(count * step, step))
            for count in range(first, last + 1)
        )

    def _decades(self) -> list[float]:
        powers = range(floor(log10(self.low)), ceil(log10(self.high)) + 1)
        for stride, factors in (
            (1, (1, 2, 5)),
            (1, (1,)),
            (ceil(len(powers) / MOST_DECADES), (1,)),
        ):
            values = [
                factor * 10.0**power
                for power in powers[::stride]
                for factor in factors
                if self.low <= factor * 10.0**power <= self.high
            ]
            if len(values) <= MOST_DECADES:
                break
        return values


def round_step(step: float) -> float:
    """The smallest of 1, 2 and 5 times a power of ten that is at least ``step``."""
    power = 10.0 ** floor(log10(step))
    return next(factor * power for factor in STEPS if factor * power >= step * (1 - 1e-9))


def _label(value: float, step: float) -> str:
    if value == 0:
        return "0"
    if step >= 1e-4 and abs(value) < 1e5:
        return f"{value:.{max(0, -floor(log10(step) + 1e-9))}f}".replace("-", MINUS)
    return f"{value:.3g}".replace("e+0", "e").replace("e+", "e").replace("-", MINUS)
