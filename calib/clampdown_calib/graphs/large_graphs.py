"""Graphs beyond protobuf's limit: their weights lie apart, in memory or in one file beside them."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from clampdown_calib.graphs.format_limits import LARGEST_GRAPH
from clampdown_runtime.bundle.manifest import weights_name
from clampdown_runtime.sessions.providers import Provider
from clampdown_runtime.sessions.session import create_session

if TYPE_CHECKING:
    import onnxruntime

APART = 1024
"""Bytes of a weight beyond which it lies apart. Below are the axes, shapes and scalars that shape
inference wants to read, and the threshold."""

PLACE = "clampdown.place"
"""Key of a tensor's ``meta``, of which no file has anything: where its bundle has it on disk."""


def is_too_large(model: ir.Model) -> bool:
    """Whether the weights of a graph lie apart, since one file cannot hold them."""
    tensors = (value.const_value for value in model.graph.initializers.values())
    return sum(tensor.nbytes for tensor in tensors if tensor is not None) > LARGEST_GRAPH


def open_session(
    model: ir.Model, *, name: str, provider: Provider = "cpu", threads: int | None = None
) -> "onnxruntime.InferenceSession":
    """A session of a graph in memory, of any size; the graph stays as it is.

    Args:
        model: the graph.
        name: of it in an error.
        provider: where it runs.
        threads: as for :func:`clampdown_runtime.sessions.session.create_session`.

    Raises:
        BundleError: ONNX Runtime cannot load it.
        ProviderError: the provider is not usable, or ONNX Runtime is too old for a large graph.
    """
    places: dict[ir.Value, ir.ExternalTensor] = {}
    weights: dict[str, memoryview] = {}
    for value, tensor in _apart(model) if is_too_large(model) else ():
        # As if each had a file of its own, so that none of them is copied into a common one.
        file = str(len(weights))
        weights[file] = np.ascontiguousarray(tensor.numpy()).reshape(-1).view(np.uint8).data
        places[value] = _place(tensor, file, 0)
    with _replaced(places):
        data = ir.to_proto(model).SerializeToString()
    return create_session(data, name=name, weights=weights, provider=provider, threads=threads)


def save_graph(model: ir.Model, path: Path) -> None:
    """Write a graph; where one file cannot hold it, its weights beside it.

    A file of weights that lies there already is the one that the graph was read with, and is left
    as it is.
    """
    weights = path.with_name(weights_name(path.name))
    if not is_too_large(model):
        ir.save(model, path)
    elif weights.exists():
        with _replaced({v: t.meta[PLACE] for v, t in _apart(model) if PLACE in t.meta}):
            ir.save(model, path)
    else:
        ir.save(model, path, external_data=weights.name, size_threshold_bytes=APART)


def _apart(model: ir.Model) -> Iterator[tuple[ir.Value, ir.TensorProtocol]]:
    for value in model.graph.initializers.values():
        tensor = value.const_value
        # Two of four bits share a byte, and NumPy has one each.
        if tensor is not None and tensor.nbytes > APART and tensor.dtype.bitwidth >= 8:
            yield value, tensor


def _place(tensor: ir.TensorProtocol, location: str, offset: int) -> ir.ExternalTensor:
    shape = ir.Shape(tensor.shape.numpy())
    return ir.ExternalTensor(
        location, offset, tensor.nbytes, tensor.dtype, shape=shape, name=str(tensor.name)
    )


@contextlib.contextmanager
def _replaced(places: Mapping[ir.Value, ir.ExternalTensor]) -> Iterator[None]:
    """Have weights written as places in other files."""
    tensors = {value: value.const_value for value in places}
    try:
        for value, place in places.items():
            value.const_value = place
        yield
    finally:
        for value, tensor in tensors.items():
            value.const_value = tensor
