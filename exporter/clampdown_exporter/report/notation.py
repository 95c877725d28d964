"""How the report writes numbers."""

from math import isfinite

MINUS = "\N{MINUS SIGN}"


def percent(share: float) -> str:
    """A share from 0 to 1, to a tenth of a percent."""
    return f"{100 * share:.1f}%"


def asked_percent(share: float) -> str:
    """A share that a user gave: as many digits as it has."""
    return f"{100 * share:.6g}%"


def number(value: float) -> str:
    """A quantity of unknown scale, to four significant digits."""
    return f"{value:.4g}".replace("-", MINUS)


def ratio(value: float) -> str:
    """A latency ratio."""
    return f"{value:.2f}\N{MULTIPLICATION SIGN}" if isfinite(value) else "not measured"


def rows(count: int) -> str:
    """A number of rows, with its noun."""
    return f"{count:,} row{'' if count == 1 else 's'}"
