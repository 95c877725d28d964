"""Where an ONNX file keeps its weights and how large they are; none of them is read."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

import onnx


def external_files(path: Path) -> set[Path]:
    """The files beside an ONNX file that hold its weights.

    Those outside its folder and those that are not there are left out. A file that cannot be parsed
    has none: whoever loads it will say so.
    """
    try:
        proto = onnx.load(str(path), load_external_data=False)
    except Exception:  # protobuf raises its own kinds
        return set()
    places = {path.parent / place for place in external_places(proto)}
    return {place for place in places if is_inside(place, path.parent) and is_file(place)}


def external_places(proto: onnx.ModelProto) -> set[str]:
    """Locations of external data as the model has them, relative to its folder or not."""
    return {
        entry.value
        for tensor in external_tensors(proto)
        for entry in tensor.external_data
        if entry.key == "location"
    }


def external_tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Everything whose values are not in the model's own file, initializers, constants or other."""
    for tensor in _tensors(proto.graph):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            yield tensor


def weight_bytes(proto: onnx.ModelProto) -> int:
    """Bytes of all weights by their types and shapes, wherever they lie."""
    return sum(math.prod(tensor.dims) * _item_bytes(tensor) for tensor in _tensors(proto.graph))


def _item_bytes(tensor: onnx.TensorProto) -> int:
    try:
        return int(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize)
    except KeyError:  # no type, as of a tensor that is not there
        return 0


def is_inside(place: Path, folder: Path) -> bool:
    """Whether a path, links followed, lies in a folder."""
    # Not Path.resolve, which raises RuntimeError on a link to itself before Python 3.13.
    try:
        return Path(os.path.realpath(place)).is_relative_to(os.path.realpath(folder))
    except ValueError:  # a name that no file can have
        return False


def is_file(place: Path) -> bool:
    """Whether there is a file; none has a name that no file can have."""
    # Not Path.is_file, which raises OSError where the name is too long.
    return os.path.isfile(place)  # noqa: PTH113


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of every graph inside it."""
    for inner in _graphs(graph):
        yield from inner.node


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _graphs(inner)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    for inner in _graphs(graph):
        yield from inner.initializer
        for sparse in inner.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in all_nodes(graph):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
