"""JSON as it is written: keys can be there twice, numbers can be any digits."""

import json


class Pairs(list):
    """An object as its keys and values in order, keys twice included."""


class Raw(str):
    """A value as it is written, valid or not."""


def parse(text: str) -> object:
    """The value of a text, objects as :class:`Pairs`."""
    return json.loads(text, object_pairs_hook=Pairs)


def write(value: object) -> str:
    """The text of a value that :func:`parse` gave, changed or not."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ", ".join(f"{write(key)}: {write(item)}" for key, item in value) + "}"
    if isinstance(value, dict):
        return write(Pairs(value.items()))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(write, value)) + "]"
    return json.dumps(value)


def containers(value: object, path: tuple = ()) -> list[tuple[tuple, object]]:
    """Every object and list that is not empty, with its path."""
    found: list[tuple[tuple, object]] = []
    if isinstance(value, list) and value:
        found.append((path, value))
        items = value if isinstance(value, Pairs) else enumerate(value)
        for key, item in items:
            found += containers(item, (*path, key))
    return found
