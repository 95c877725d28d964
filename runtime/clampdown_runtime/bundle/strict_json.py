"""Reads a bundle's JSON objects strictly: every key known and present, every value of its type."""

import json
import math
from typing import NoReturn

from clampdown_runtime.errors import BundleError
from clampdown_runtime.rows.texts import is_unicode
from clampdown_runtime.unique_keys import unique_keys

INT64_MAX = 2**63 - 1
"""What token ids are fed to the graph as; JSON knows no limit."""

_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    type(None): "null",
}


class JsonObject:
    """One JSON object, read key by key.

    Every method raises ``BundleError`` when the value is not of the type asked for.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            refuse(where, found=_kind(value), expected="an object")
        self._fields: dict[str, object] = value
        self._where = where

    @classmethod
    def parse(cls, text: str, where: str) -> "JsonObject":
        """Parses a text that holds one object.

        Args:
            text: the JSON text.
            where: the name of the text in error messages, such as its path.

        Raises:
            BundleError: the text is not JSON, holds a key twice, or is not an object.
        """
        try:
            value = json.loads(text, object_pairs_hook=unique_keys, parse_constant=_no_constant)
        # RecursionError: a text of brackets alone nests deeper than the parser's stack.
        except (ValueError, RecursionError) as error:
            refuse(where, found=f"text that is not valid JSON ({error})", expected="a JSON object")
        return cls(value, where)

    def require_version(self, newest: int) -> None:
        """Refuses a newer format version, whose other keys this release cannot judge."""
        version = self.integer("format_version", minimum=1)
        if version > newest:
            raise BundleError(
                self._thing("format_version"),
                found=f"format version {version}",
                expected=f"at most {newest}, the newest that this release reads",
                hint="Upgrade Clampdown: pip install --upgrade clampdown",
            )

    def require_only(self, *keys: str) -> None:
        """Refuses unknown keys; a missing one is refused when it is read."""
        if unknown := [key for key in self._fields if key not in keys]:
            refuse(
                self._where,
                found=f"the unknown {_names(unknown)}",
                expected=f"only the keys {_names([*keys])}",
            )

    def has(self, key: str) -> bool:
        """Whether the key is there."""
        return key in self._fields

    def string(self, key: str) -> str:
        """A string of valid Unicode."""
        return self._string(key, self._get(key))

    def integer(self, key: str, *, minimum: int) -> int:
        """An integer from ``minimum`` to ``INT64_MAX``."""
        return self._integer(key, self._get(key), minimum)

    def boolean(self, key: str) -> bool:
        """A boolean."""
        value = self._get(key)
        if not isinstance(value, bool):
            self.refuse(key, found=_kind(value), expected="a boolean")
        return value

    def number(self, key: str) -> float:
        """A finite number."""
        return self._number(key, self._get(key))

    def is_null(self, key: str) -> bool:
        """Whether the value is null."""
        return self._get(key) is None

    def numbers_or_nulls(self, key: str) -> tuple[float | None, ...]:
        """A list of finite numbers and nulls."""
        return tuple(
            None if item is None else self._number(name, item) for name, item in self._items(key)
        )

    def integers(self, key: str, *, minimum: int) -> tuple[int, ...]:
        """A list of integers from ``minimum`` to ``INT64_MAX``."""
        return tuple(self._integer(name, item, minimum) for name, item in self._items(key))

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of strings of valid Unicode."""
        return tuple(self._string(name, item) for name, item in self._items(key))

    def string_map(self, key: str) -> dict[str, str]:
        """An object whose keys and values are strings of valid Unicode."""
        fields = self.child(key)
        for name in fields._fields:
            self._string(key, name)
        return {name: fields.string(name) for name in fields._fields}

    def child(self, key: str) -> "JsonObject":
        """An object."""
        return JsonObject(self._get(key), self._thing(key))

    def children(self, key: str) -> list["JsonObject"]:
        """A list of objects."""
        return [JsonObject(item, self._thing(name)) for name, item in self._items(key)]

    def refuse(self, key: str, *, found: str, expected: str) -> NoReturn:
        """Raises the error that names a key of this object."""
        refuse(self._thing(key), found=found, expected=expected)

    def _thing(self, key: str) -> str:
        return f"{self._where}, `{key}`"

    def _get(self, key: str) -> object:
        if key not in self._fields:
            refuse(self._where, found=f"no `{key}`", expected=f"the key `{key}`")
        return self._fields[key]

    def _items(self, key: str) -> list[tuple[str, object]]:
        value = self._get(key)
        if not isinstance(value, list):
            self.refuse(key, found=_kind(value), expected="a list")
        return [(f"{key}[{index}]", item) for index, item in enumerate(value)]

    def _string(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            self.refuse(key, found=_kind(value), expected="a string")
        if not is_unicode(value):
            self.refuse(key, found="half of a surrogate pair", expected="valid Unicode")
        return value

    def _integer(self, key: str, value: object, minimum: int) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse(key, found=_kind(value), expected="an integer")
        if not minimum <= value <= INT64_MAX:
            self.refuse(key, found=str(value), expected=f"an integer from {minimum} to {INT64_MAX}")
        return value

    def _number(self, key: str, value: object) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.refuse(key, found=_kind(value), expected="a number")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            self.refuse(key, found="a number that is out of range", expected="a finite number")
        return number


def refuse(where: str, *, found: str, expected: str) -> NoReturn:
    """Raises the ``BundleError`` of a file in a bundle that does not follow its format."""
    raise BundleError(
        where,
        found=found,
        expected=expected,
        hint="The bundle was damaged or edited: export it again, or get an unchanged copy.",
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _kind(value: object) -> str:
    return _KINDS[type(value)]


def _names(keys: list[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)
