"""Refuses arguments that no call can use."""

from clampdown_runtime.errors import ClampdownError


def require_positive(name: str, value: int) -> None:
    """Refuse what is below 1.

    Raises:
        ClampdownError: it is; the message has its name.
    """
    if value < 1:
        raise ClampdownError(name, found=str(value), expected="at least 1", hint="Pass more.")
