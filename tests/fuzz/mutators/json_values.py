"""Mutates JSON by its structure: keys, types, numbers, strings, nesting, and the text itself."""

import copy

from tests.fuzz.mutators import octets
from tests.fuzz.mutators.json_text import Pairs, Raw, containers, parse, write
from tests.fuzz.source import Source

DEEP = 100_000
"""Brackets: deeper than any parser's stack."""

LONG = 2**20
"""Characters of a very long string, or repetitions of an item's least form."""

NUMBERS = tuple(
    Raw(number)
    for number in (
        *("0", "-0", "-1", "1", "2", "1.5", "-0.0", "1e-400", "1e999", "-1e999", "NaN", "Infinity"),
        *(str(2**bits + more) for bits in (15, 31, 32, 53, 63, 64) for more in (-1, 0)),
        *(str(-(2**31)), str(-(2**63) - 1), "1e308", "3.5e38", "1E400", "9" * 400),
        # Longer than Python turns into an integer.
        "1" * 5000,
        # Not JSON.
        *("01", "+1", ".5", "0x10", "1_000", "-"),
    )
)
STRINGS = (
    "",
    " ",
    "\0",
    "\x1b[31m",
    "\u2028",
    "\ufeff",
    "é" * 300,
    "../outside",
    "/etc/passwd",
    "C:\\x",
    "a\nb",
    "\U0010ffff",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "%s%n",
    "null",
    "NaN",
    "sha256:" + "0" * 64,
    Raw('"\\ud800"'),
    Raw('"\\udc00\\ud800x"'),
    Raw('"\\u0000"'),
    Raw('"\\q"'),
    Raw('"\t"'),
    Raw('"open'),
    Raw("'single'"),
)
OTHERS = (
    None,
    True,
    False,
    [],
    Pairs(),
    [None],
    [[]],
    Pairs([("a", 1)]),
    Pairs([("", None), ("", None)]),
    Raw("undefined"),
    Raw(""),
    Raw("[1, 2,]"),
    Raw("/* */ 1"),
    Raw("[" * DEEP + "]" * DEEP),
    Raw("[" * DEEP),
    Raw('{"a":' * DEEP),
    Raw("[" * 500 + "]" * 500),
    Raw('{"a":' * 500 + "1" + "}" * 500),
    Raw('"' + "a" * LONG + '"'),
    Raw("[" + "0," * (LONG // 8) + "0]"),
)


def mutate(source: Source, data: bytes) -> bytes:
    """Changes a JSON text, or every line's own where the text is of several."""
    lines = data.decode("utf-8").split("\n")
    if sum(bool(line) for line in lines) > 1 and all(_is_whole(line) for line in lines if line):
        index = source.choice([index for index, line in enumerate(lines) if line])
        lines[index] = _changed(source, lines[index])
        return _encoded(source, "\n".join(lines))
    return _encoded(source, _changed(source, data.decode("utf-8")))


def change(source: Source, value: object) -> object:
    """One change of a parsed value, in place where it can be."""
    places = containers(value)
    if not places or source.once_in(40):
        return odd_value(source)
    _, container = source.choice(places)
    source.choice(CHANGES)(source, container, value)
    return value


def odd_value(source: Source) -> object:
    """A value that is probably of the wrong type, range or syntax."""
    return copy.deepcopy(source.choice(source.choice((NUMBERS, STRINGS, OTHERS))))


def _is_whole(line: str) -> bool:
    return line.startswith("{") and line.endswith("}")


def _changed(source: Source, text: str) -> str:
    value = parse(text)
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        value = change(source, value)
    return write(value)


def _encoded(source: Source, text: str) -> bytes:
    """The text in UTF-8, sometimes damaged or in another encoding."""
    if source.once_in(12):
        encoding = source.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"))
        return text.encode(encoding, "replace")
    data = text.encode("utf-8", "surrogatepass")
    return octets.mutate(source, data) if source.once_in(12) else data


def _drop(source: Source, container: list, _: object) -> None:
    del container[source.randrange(len(container))]


def _duplicate(source: Source, container: list, _: object) -> None:
    item = copy.deepcopy(source.choice(container))
    if isinstance(container, Pairs) and source.once_in(2):
        item = (item[0], odd_value(source))
    container.insert(source.randint(0, len(container)), item)


def _replace(source: Source, container: list, _: object) -> None:
    _set(container, source.randrange(len(container)), odd_value(source))


def _add(source: Source, container: list, _: object) -> None:
    value = odd_value(source)
    key = source.choice(STRINGS)
    container.append((key, value) if isinstance(container, Pairs) else value)


def _rename(source: Source, container: list, whole: object) -> None:
    if not isinstance(container, Pairs):
        _replace(source, container, whole)
        return
    index = source.randrange(len(container))
    container[index] = (source.choice(STRINGS), container[index][1])


def _elsewhere(source: Source, container: list, whole: object) -> None:
    """A value from another place: of the file's own kind, and yet not of this key's."""
    _, other = source.choice(containers(whole))
    value = source.choice(other)
    value = value[1] if isinstance(other, Pairs) else value
    _set(container, source.randrange(len(container)), copy.deepcopy(value))


def _nudge(source: Source, container: list, whole: object) -> None:
    """Another number or string near the one that is there."""
    index = source.randrange(len(container))
    value = _get(container, index)
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        _replace(source, container, whole)
    elif isinstance(value, str):
        _set(container, index, source.choice((value + "\0", value[1:], value * 3, value.upper())))
    else:
        _set(
            container, index, source.choice((value + 1, value - 1, -value, value * 10, str(value)))
        )


def _many(source: Source, container: list, whole: object) -> None:
    if not source.once_in(4):
        _duplicate(source, container, whole)
        return
    item = source.choice(container)
    # So that the text stays near a megabyte.
    times = min(
        10_000, 1 + LONG // max(1, len(write(item[1] if isinstance(item, tuple) else item)))
    )
    container.extend([item] * times)


def _get(container: list, index: int) -> object:
    return container[index][1] if isinstance(container, Pairs) else container[index]


def _set(container: list, index: int, value: object) -> None:
    container[index] = (container[index][0], value) if isinstance(container, Pairs) else value


CHANGES = (_drop, _duplicate, _replace, _replace, _add, _rename, _elsewhere, _nudge, _nudge, _many)
