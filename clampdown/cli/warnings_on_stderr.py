"""Warnings as one line each on standard error."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import click

from clampdown.cli.output import one_line


@contextmanager
def warnings_on_stderr() -> Iterator[None]:
    """Show a warning as one line, without the place in the code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: click.echo(
            f"warning: {one_line(str(message))}", err=True
        )
        yield
