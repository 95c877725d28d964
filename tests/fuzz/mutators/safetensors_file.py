"""Mutates a safetensors file: its header, and tensors of other types, sizes and values."""

import json
import math

from tests.fuzz.mutators import json_values, octets
from tests.fuzz.mutators.json_text import Pairs, Raw, parse, write
from tests.fuzz.source import Source

SIZES = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
}
"""Bytes of each type that can be told apart by whole bytes."""

TYPES = (*SIZES, "F4", "F6_E2M3", "f32", "STRING", "", None, 7)
LENGTHS = (-(2**63), -1, 0, 1, 2, 3, 59, 61, 2**31, 2**32, 2**40, 2**61, 2**63, 2**64 - 1, 1.5, "2")
WORDS = (b"\0", b"\xff", b"\x7f", b"\x7f\x7f\xff\xff", b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\1")
"""Zeros, ones, large numbers, NaN and infinity, repeated over a tensor."""


def mutate(source: Source, data: bytes) -> bytes:
    """Changes tensors so that the file stays valid, or its header so that it may not."""
    size = int.from_bytes(data[:8], "little")
    header, blob = parse(data[8 : 8 + size].decode()), data[8 + size :]
    if source.once_in(2):
        for _ in range(source.choice((1, 1, 2, 4))):
            header, blob = _valid(source, header, blob)
        return _file(source, write(header).encode(), blob, honest=True)
    for _ in range(source.choice((1, 1, 2, 3))):
        source.choice((_entry, _entry, _metadata, _names, json_values.change))(source, header)
    return _file(source, write(header).encode("utf-8", "surrogatepass"), blob, honest=False)


def _file(source: Source, header: bytes, blob: bytes, *, honest: bool) -> bytes:
    length = len(header)
    if not honest and source.once_in(6):
        length = source.choice((0, 1, length - 1, length + 1, 2**31, 2**63, 2**64 - 1))
        header = source.choice((header, header + b" ", b"\xff" + header))
    if not honest and source.once_in(6):
        blob = source.choice((blob[:-1], blob + b"\0", b"", blob * 2))
    data = length.to_bytes(8, "little") + header + blob
    return octets.mutate(source, data) if source.once_in(20) else data


def _tensors(header: Pairs) -> list[int]:
    return [
        index
        for index, (name, entry) in enumerate(header)
        if name != "__metadata__" and isinstance(entry, Pairs)
    ]


def _valid(source: Source, header: Pairs, blob: bytes) -> tuple[Pairs, bytes]:
    """The file with one tensor that has another type, shape or other values, or is gone."""
    parts = {
        name: (entry["dtype"], entry["shape"], blob[slice(*entry["data_offsets"])])
        for name, entry in ((n, dict(e)) for n, e in header if n != "__metadata__")
    }
    if not parts:
        return header, blob
    name = source.choice(sorted(parts))
    dtype, shape, _ = parts[name]
    change = source.randrange(5)
    if change == 0:
        del parts[name]
    elif change == 1:
        dtype = source.choice(tuple(SIZES))
        parts[name] = (dtype, shape, _filled(source, dtype, shape))
    elif change == 2:
        shape = source.choice(
            ([], [0], [1], [1, 1], [3, 0, 2], [*shape, 1], [1, *shape], shape[1:])
        )
        parts[name] = (dtype, shape, _filled(source, dtype, shape))
    elif change == 3:
        parts[name] = (dtype, shape, _filled(source, dtype, shape))
    else:
        names = (f"{name}x", "é", "", "lower", "detector.weights", "clean.held_out_scores")
        parts[source.choice(names)] = parts[name]
    return _joined([(key, item) for key, item in header if key == "__metadata__"], parts)


def _filled(source: Source, dtype: str, shape: list[int]) -> bytes:
    size = SIZES[dtype] * math.prod(shape)
    # A truth value is 0 or 1 in memory.
    word = b"\1" if dtype == "BOOL" else source.choice(WORDS)
    return (word * size)[:size]


def _joined(metadata: list, parts: dict[str, tuple[str, list[int], bytes]]) -> tuple[Pairs, bytes]:
    header, blob = Pairs(metadata), b""
    for name, (dtype, shape, data) in parts.items():
        offsets = [len(blob), len(blob) + len(data)]
        entry = Pairs([("dtype", dtype), ("shape", shape), ("data_offsets", offsets)])
        header.append((name, entry))
        blob += data
    return header, blob


def _entry(source: Source, header: Pairs) -> None:
    """One tensor's type, shape or place, whatever its bytes are."""
    indices = _tensors(header)
    if not indices:
        return
    index = source.choice(indices)
    name, entry = header[index]
    facts = dict(entry)
    change = source.randrange(4)
    if change == 0:
        facts["dtype"] = source.choice(TYPES)
    elif change == 1:
        facts["shape"] = [source.choice(LENGTHS) for _ in range(source.choice((0, 1, 2, 3, 64)))]
    elif change == 2:
        facts["data_offsets"] = [source.choice(LENGTHS) for _ in range(source.choice((2, 2, 1, 3)))]
    else:
        # Over another tensor's bytes.
        facts["data_offsets"] = dict(header[source.choice(indices)][1]).get("data_offsets")
    header[index] = (name, Pairs(facts.items()))


def _metadata(source: Source, header: Pairs) -> None:
    value = source.choice(
        (
            Pairs(),
            Pairs([("method", source.choice(("probe", "badacts", "votes", "", 1, None, [])))]),
            Pairs([("method", "probe"), ("method", "badacts")]),
            Pairs([("format", "pt"), ("x" * 1000, "y" * 1000)]),
            *([], None, "probe", Raw('{"method": "\\ud800"}')),
        )
    )
    kept = [(name, item) for name, item in header if name != "__metadata__"]
    header[:] = [("__metadata__", value), *kept]


def _names(source: Source, header: Pairs) -> None:
    indices = _tensors(header)
    if not indices:
        return
    index = source.choice(indices)
    name, entry = header[index]
    header[index] = (source.choice(("", "__metadata__", name + "\0", json.dumps(name))), entry)
