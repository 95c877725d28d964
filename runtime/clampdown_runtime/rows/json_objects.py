"""Reads an array of JSON objects, of which one is held at a time."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from clampdown_runtime.rows import lines
from clampdown_runtime.rows.refusals import refuse, refuse_line
from clampdown_runtime.rows.text_files import open_text
from clampdown_runtime.unique_keys import unique_keys

_CHUNK = 2**16
_SPACE = re.compile(r"[ \t\r\n]*")


def array_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file that is one array of them, each with the line that it begins on.

    Raises:
        RowsError: the file is none, or an object is longer than ``LONGEST_LINE``.
    """
    with open_text(path) as file:
        text = _Text(file, path)
        if text.next_character() != "[":
            refuse(
                path,
                found="no array",
                expected="an array of objects: [{…}, …]",
                hint="Pass the array alone; a file with an object on each line is named .jsonl.",
            )
        text.skip_character()
        while (character := text.next_character()) != "]":
            if character != "{":
                text.refuse("no object where one should begin")
            # Not behind the yield: by then the line is the next one's.
            line = text.line
            yield line, text.take_object()
            if text.next_character() == ",":
                text.skip_character()
                if text.next_character() == "]":
                    text.refuse("a comma and no object behind it")
            elif text.next_character() != "]":
                text.refuse("neither a comma nor the end of the array behind an object")
        text.skip_character()
        if text.next_character():
            text.refuse("more behind the end of the array")


class _Text:
    """What was read of a file and not yet taken.

    Attributes:
        line: that of what comes next, from 1.
    """

    def __init__(self, file: IO[str], path: Path) -> None:
        self.line = 1
        self._file, self._path = file, path
        self._held, self._start = "", 0
        self._decoder = json.JSONDecoder(object_pairs_hook=unique_keys)

    def next_character(self) -> str:
        """The one behind white space, which is left behind; none at the end of the file."""
        while True:
            space = _SPACE.match(self._held, self._start)
            self._leave(space.end() if space else self._start)
            if self._start < len(self._held):
                return self._held[self._start]
            if not self._read_on(_CHUNK):
                return ""

    def skip_character(self) -> None:
        """Leave one behind that is no line end."""
        self._start += 1

    def take_object(self) -> dict[str, Any]:
        """The object that begins here."""
        while True:
            try:
                # Part of an object is never valid, since the brace that closes it is its end.
                value, end = self._decoder.raw_decode(self._held, self._start)
            except RecursionError as error:
                self.refuse(f"an object that is not valid JSON ({error})")
            except ValueError as error:
                reason = error.msg if isinstance(error, json.JSONDecodeError) else error
                held = len(self._held) - self._start
                if held >= lines.LONGEST_LINE:
                    self.refuse(f"no valid object in {held} characters ({reason})")
                # As much again: all attempts together take no longer than two of the last.
                if not self._read_on(max(_CHUNK, held)):
                    self.refuse(f"an object that is not valid JSON ({reason})")
            else:
                self._leave(end)
                fields: dict[str, Any] = value
                return fields

    def refuse(self, found: str) -> NoReturn:
        """Refuse the file for what comes next."""
        refuse_line(
            self._path,
            self.line,
            found=found,
            expected="an array of objects: [{…}, …]",
            hint="Correct what begins there.",
        )

    def _read_on(self, most: int) -> bool:
        room = lines.LONGEST_LINE - (len(self._held) - self._start)
        more = self._file.read(min(most, room))
        self._held, self._start = self._held[self._start :] + more, 0
        return bool(more)

    def _leave(self, end: int) -> None:
        self.line += self._held.count("\n", self._start, end)
        self._start = end
