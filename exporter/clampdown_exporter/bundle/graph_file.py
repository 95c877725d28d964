"""Reads the graph of a bundle, from the bytes that were verified."""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import onnx_ir as ir

from clampdown_calib.graphs.large_graphs import PLACE
from clampdown_calib.models.external_data import all_nodes, external_places, external_tensors
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.errors import BundleError


def read_graph(bundle: Bundle, *, valid: bool = True) -> ir.Model:
    """A verified bundle's graph, in memory; its weights are views of the bytes that were checked.

    Args:
        bundle: a verified bundle.
        valid: whether it has to pass ONNX's checker, which refuses nodes in an order in which they
            cannot run.

    Raises:
        BundleError: it is not a valid ONNX graph with its weights inside, or in the bundle's file
            of weights.
    """
    data, weights = bundle.read(bundle.manifest.model_file), bundle.read_weights()
    try:
        proto = onnx.load_model_from_string(data)
        # Before the checker, which would look for them in the folder that one happens to be in.
        _require_places(proto, weights)
        if valid:
            onnx.checker.check_model(_checkable(proto), full_check=True)
        if any("" in node.output for node in _with_graphs(proto)):
            raise ValueError("a loop or branch without one of its outputs")
        model = ir.from_proto(proto)
        # Names that are not UTF-8, and weights of another size than their shape's, which the
        # checker lets pass.
        ir.to_proto(model)
        for value in model.graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                place = value.const_value
                value.const_value = _tensor(place, weights[str(place.location)])
            elif value.const_value is not None:
                value.const_value.numpy()
    except Exception as error:  # of protobuf, of the checker, of onnx_ir: whatever bytes raise
        raise BundleError(
            str(bundle.model_path),
            found=f"no valid ONNX graph ({error})",
            expected="a whole graph with its weights inside, or in the file that the manifest "
            "lists beside it",
            hint="Get an unchanged copy of the bundle, or export it again.",
        ) from error
    return model


def _require_places(proto: onnx.ModelProto, weights: Mapping[str, bytes]) -> None:
    """Refuse weights in any other file, and other tensors than initializers outside the graph."""
    if others := sorted(external_places(proto) - weights.keys()):
        raise ValueError(f"weights in {', '.join(map(repr, others))}")
    initializers = {tensor.name for tensor in proto.graph.initializer}
    tensors = list(external_tensors(proto))
    if len({t.name for t in tensors} & initializers) < len(tensors):
        raise ValueError("constants outside the file")


def _checkable(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with inputs in the place of weights that are not in its file."""
    outside = {tensor.name: tensor for tensor in external_tensors(proto)}
    if not outside:
        return proto
    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    graph = copy.graph
    for kept in [tensor for tensor in graph.initializer if tensor.name in outside]:
        graph.initializer.remove(kept)
    given = {value.name for value in graph.input}
    graph.input.extend(
        onnx.helper.make_tensor_value_info(name, tensor.data_type, list(tensor.dims))
        for name, tensor in outside.items()
        if name not in given
    )
    return copy


def _tensor(place: ir.ExternalTensor, content: bytes) -> ir.TensorProtocol:
    """A weight in the bytes of its file."""
    start, size = place.offset or 0, place.nbytes
    if place.length not in (None, size) or not 0 <= start <= start + size <= len(content):
        raise ValueError(
            f"{place.name} in the bytes from {start} on, of {place.length}, in a file of "
            f"{len(content)}"
        )
    kind = place.dtype.numpy()
    array = np.frombuffer(content, kind, place.size, start).reshape(place.shape.numpy())
    tensor = ir.Tensor(array, place.dtype, shape=place.shape, name=place.name)
    tensor.meta[PLACE] = place
    return tensor


def _with_graphs(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Nodes with graphs inside. ONNX Runtime crashes on one whose output nobody names."""
    for node in all_nodes(proto.graph):
        if any(attribute.HasField("g") for attribute in node.attribute):
            yield node
