"""Mutates one tensor of an ONNX model: its type, its sizes, and where its contents lie."""

from onnx import TensorProto

from tests.fuzz.source import Source

DIMENSIONS = (-(2**63), -1, 0, 1, 2, 7, 2**16, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1)

TYPES = (*range(0, 24), 999, -1)
"""Every type that ONNX has had, none, and two that are no types."""


def change(source: Source, tensor: TensorProto) -> None:
    """One change of it."""
    source.choice(CHANGES)(source, tensor)


def _sizes(source: Source, tensor: TensorProto) -> None:
    value = source.choice(DIMENSIONS)
    if not tensor.dims or source.once_in(3):
        tensor.dims.append(value)
    elif source.once_in(3):
        del tensor.dims[source.randrange(len(tensor.dims))]
    else:
        tensor.dims[source.randrange(len(tensor.dims))] = value


def _type(source: Source, tensor: TensorProto) -> None:
    tensor.data_type = source.choice(TYPES)


def _fitting_type(source: Source, tensor: TensorProto) -> None:
    """Strings or doubles, as many as the sizes say."""
    count = 1
    for size in tensor.dims:
        count *= max(0, min(size, 1000))
    count = min(count, 10_000)
    for field in ("raw_data", "float_data", "int64_data", "int32_data", "external_data"):
        tensor.ClearField(field)
    tensor.ClearField("data_location")
    if source.once_in(2):
        tensor.data_type = TensorProto.STRING
        tensor.string_data.extend([source.choice((b"", b"x", b"\xff\0"))] * count)
    else:
        tensor.data_type = TensorProto.DOUBLE
        tensor.double_data.extend([source.choice((0.0, 1e308, float("nan")))] * count)


def _contents(source: Source, tensor: TensorProto) -> None:
    data = tensor.raw_data
    tensor.raw_data = source.choice(
        (b"", data[:-1], data + b"\0", data * 2, b"\xff" * len(data), data[: len(data) // 2])
    )


def _two_contents(source: Source, tensor: TensorProto) -> None:
    if source.once_in(2):
        tensor.float_data.extend([1.0] * source.choice((1, 1000)))
    else:
        tensor.int64_data.extend([-1] * source.choice((1, 1000)))


def _external(source: Source, tensor: TensorProto) -> None:
    """The contents in another file, such as one that nobody should read."""
    size = len(tensor.raw_data)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    del tensor.external_data[:]
    outside = source.outside
    location = source.choice(
        (
            *(f"../{outside.name}", f"../../{outside.name}", str(outside), f"file://{outside}"),
            *(f"./x/../../{outside.name}", "config.json", "model.onnx", "missing", "", ".", "\0"),
            *("/dev/zero", "/proc/self/environ", "link", "x" * 5000),
            # ONNX Runtime's own sign for contents that are in memory, at the address `offset`.
            "*/_ORT_MEM_ADDR_/*",
        )
    )
    facts = {
        "location": location,
        "offset": source.choice(("0", "-1", "4", "1000000", str(2**63), "x", "")),
        "length": source.choice((str(size), "0", "-1", str(2**40), str(2**64), "x")),
    }
    for key in source.some(tuple(facts), 3) if source.once_in(4) else facts:
        tensor.external_data.add(key=key, value=facts[key])


CHANGES = (_sizes, _sizes, _type, _fitting_type, _contents, _two_contents, _external, _external)
