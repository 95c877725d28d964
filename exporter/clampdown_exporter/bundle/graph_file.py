"""Reads the graph of a bundle, from the bytes that were verified."""

from collections.abc import Iterator

import onnx
import onnx_ir as ir

from clampdown_calib.models.external_data import all_nodes, external_places
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.errors import BundleError


def read_graph(bundle: Bundle) -> ir.Model:
    """A verified bundle's graph, in memory.

    Raises:
        BundleError: it is not a valid ONNX graph with its weights inside.
    """
    data = bundle.read(bundle.manifest.model_file)
    try:
        proto = onnx.load_model_from_string(data)
        # Before the checker, which would look for them in the folder that one happens to be in.
        if external := sorted(external_places(proto)):
            raise ValueError(f"weights in {', '.join(map(repr, external))}")
        onnx.checker.check_model(proto, full_check=True)
        if any("" in node.output for node in _with_graphs(proto)):
            raise ValueError("a loop or branch without one of its outputs")
        model = ir.from_proto(proto)
        # Names that are not UTF-8, and weights of another size than their shape's, which the
        # checker lets pass.
        ir.to_proto(model)
        for value in model.graph.initializers.values():
            if value.const_value is not None:
                value.const_value.numpy()
    except Exception as error:  # of protobuf, of the checker, of onnx_ir: whatever bytes raise
        raise BundleError(
            str(bundle.model_path),
            found=f"no valid ONNX graph ({error})",
            expected="a whole graph with its weights inside",
            hint="Get an unchanged copy of the bundle, or export it again.",
        ) from error
    return model


def _with_graphs(proto: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Nodes with graphs inside. ONNX Runtime crashes on one whose output nobody names."""
    for node in all_nodes(proto.graph):
        if any(attribute.HasField("g") for attribute in node.attribute):
            yield node
