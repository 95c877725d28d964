"""Texts on the command line."""

import os

import click


class Utf8Text(click.types.StringParamType):
    """A text of UTF-8, whatever the encoding of the machine is.

    Python decodes arguments by the locale: in a locale of ASCII what is not ASCII comes as halves
    of surrogate pairs, in one of Latin-1 as two or more letters. Paths are left as they are, since
    the system gets them back in the same encoding.
    """

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The bytes that were typed as UTF-8; the argument itself where they are none."""
        try:
            return os.fsencode(value).decode()
        except UnicodeError:
            return value


TEXT = Utf8Text()
