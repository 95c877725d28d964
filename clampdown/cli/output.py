"""What the commands print: one JSON object, facts line by line, or a table.

Names come out of bundles and models of strangers: what could move a terminal's cursor is escaped.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence

import click


def echo_json(value: object) -> None:
    """Print one line of JSON; numbers that are not finite become null."""
    text = json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)
    if not text.isprintable():
        # Outside strings JSON has printable characters alone, inside them any may be escaped.
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    click.echo(text)


def echo_facts(facts: Mapping[str, object]) -> None:
    """Print a line for each fact, the values in one column."""
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        click.echo(f"{name:<{width}}  {_shown(value)}")


def echo_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: the first column to the left, the others to the right."""
    lines = [header, *([one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    for first, *others in lines:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        click.echo("  ".join(cells).rstrip())


def number(value: float | None, digits: int = 1) -> str:
    """A number with so many decimals, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def one_line(text: str) -> str:
    """A text with every character that is not printable, line ends and tabs included, escaped."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def cell(text: str) -> str:
    """A text for a table that a spreadsheet may open: one line, and never a formula.

    The characters are those of OWASP's page "CSV Injection"; tabs and line ends are escaped anyway.
    """
    return one_line(f"'{text}" if text.startswith(("=", "+", "-", "@")) else text)


def several_lines(text: str) -> str:
    """A text with every character escaped that is not printable, its line ends left."""
    return "\n".join(map(one_line, text.split("\n")))


def _shown(value: object) -> str:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Sequence):
        return ", ".join(_shown(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{one_line(str(name))} {_shown(item)}" for name, item in value.items())
    return "-" if value is None else str(value)


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
