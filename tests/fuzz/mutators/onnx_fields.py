"""Mutates an ONNX model by its fields; most mutants still parse."""

import copy
from collections.abc import Iterator

import onnx
from onnx import TensorProto, helper

from tests.fuzz.mutators import octets, onnx_graphs, onnx_tensors
from tests.fuzz.source import Source

NAMES = ("", "logits", "input_ids", "threshold", "flagged", "\0", "é" * 50, "a/b", "x" * 10_000)
OPERATORS = (
    *("Identity", "Add", "MatMul", "Gather", "Reshape", "Cast", "Shape", "Loop", "If", "Scan"),
    *("Range", "ConstantOfShape", "Constant", "StringNormalizer", "SequenceAt", "Optional"),
    *("Resize", "Einsum", "TopK", "NonZero", "Unique", "QLinearMatMul", "LSTM", "Gemm", "Nonsense"),
)
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.contrib", "x", "\0")
VERSIONS = (-1, 0, 1, 7, 13, 20, 21, 26, 999, 2**31 - 1, 2**63 - 1)


def mutate(source: Source, data: bytes) -> bytes:
    """Changes a few fields of a serialized model."""
    model = onnx.load_from_string(data)
    for _ in range(source.choice((1, 1, 1, 2, 3))):
        if source.once_in(6):
            source.choice(OF_MODEL)(source, model)
        else:
            source.choice(OF_GRAPH)(source, source.choice(list(_graphs(model.graph))))
    changed: bytes = model.SerializeToString()
    return octets.mutate(source, changed) if source.once_in(25) else changed


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and every graph inside it, those of a defended graph's loop and branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _value(source: Source, graph: onnx.GraphProto) -> onnx.ValueInfoProto | None:
    infos = [*graph.input, *graph.output, *graph.value_info]
    return source.choice(infos) if infos else None


def _shape(source: Source, graph: onnx.GraphProto) -> None:
    """Another shape of an input, an output or a value between."""
    info = _value(source, graph)
    if info is None:
        return
    kind = info.type.tensor_type
    if source.once_in(6):
        source.choice((kind.ClearField, lambda _: info.ClearField("type")))("shape")
    elif source.once_in(4) or not kind.shape.dim:
        kind.shape.dim.add().dim_value = source.choice(onnx_tensors.DIMENSIONS)
    else:
        dim = source.choice(kind.shape.dim)
        change = source.randrange(3)
        if change == 0:
            dim.dim_value = source.choice(onnx_tensors.DIMENSIONS)
        elif change == 1:
            dim.dim_param = source.choice(NAMES)
        else:
            kind.shape.dim.remove(dim)


def _kind(source: Source, graph: onnx.GraphProto) -> None:
    """Another type of an input, an output or a value between."""
    info = _value(source, graph)
    if info is None:
        return
    if source.once_in(4):
        other = source.choice(
            (
                helper.make_sequence_type_proto(info.type),
                helper.make_optional_type_proto(info.type),
                helper.make_map_type_proto(TensorProto.STRING, info.type),
                helper.make_sparse_tensor_type_proto(TensorProto.FLOAT, [2**40]),
            )
        )
        info.type.CopyFrom(other)
    else:
        info.type.tensor_type.elem_type = source.choice(onnx_tensors.TYPES)


def _tensor(source: Source, graph: onnx.GraphProto) -> None:
    """Another type, size or content of an initializer or a constant."""
    nodes = [attribute for node in graph.node for attribute in node.attribute]
    constants = [attribute.t for attribute in nodes if attribute.HasField("t")]
    tensors = [*graph.initializer, *graph.initializer, *constants]
    if tensors:
        onnx_tensors.change(source, source.choice(tensors))


def _initializers(source: Source, graph: onnx.GraphProto) -> None:
    """Initializers that are missing, there twice, sparse, renamed or inputs as well."""
    if not graph.initializer:
        return
    tensor = source.choice(graph.initializer)
    change = source.randrange(6)
    if change == 0:
        graph.initializer.remove(tensor)
    elif change == 1:
        graph.initializer.append(tensor)
    elif change == 2:
        tensor.name = source.choice((*NAMES, source.choice(graph.initializer).name))
    elif change == 3:
        shape = list(tensor.dims)
        graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, shape))
    elif change == 4:
        sparse = graph.sparse_initializer.add()
        sparse.values.CopyFrom(tensor)
        sparse.indices.CopyFrom(helper.make_tensor("", TensorProto.INT64, [1], [2**40]))
        sparse.dims.append(source.choice(onnx_tensors.DIMENSIONS))
    else:
        note = graph.quantization_annotation.add(tensor_name=tensor.name)
        note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value=source.choice(NAMES))


def _nodes(source: Source, graph: onnx.GraphProto) -> None:
    """Nodes that are missing, there twice, out of order, of another operator or wired otherwise."""
    nodes = graph.node
    if not nodes:
        return
    node = source.choice(nodes)
    change = source.randrange(10)
    if change == 0:
        nodes.remove(node)
    elif change == 1:
        nodes.append(node)
    elif change == 2:
        node.op_type = source.choice((*OPERATORS, source.choice(nodes).op_type))
    elif change == 3:
        node.domain = source.choice(DOMAINS)
    elif change == 4:
        # May close a circle.
        outputs = [name for other in nodes for name in other.output]
        node.input[:] = [source.choice(outputs) for _ in node.input]
    elif change == 5:
        node.input.extend([source.choice(NAMES)] * source.choice((1, 3, 1000)))
    elif change == 6 and node.output:
        # Often none: an output that is left out has killed a run of ONNX Runtime.
        node.output[source.randrange(len(node.output))] = source.choice((*NAMES, "", "", ""))
    elif change == 7 and node.input:
        del node.input[source.randrange(len(node.input))]
    elif change == 8:
        first, second = source.randrange(len(nodes)), source.randrange(len(nodes))
        kept = copy.deepcopy(nodes[first])
        nodes[first].CopyFrom(nodes[second])
        nodes[second].CopyFrom(kept)
    else:
        node.name = source.choice(NAMES)


def _attributes(source: Source, graph: onnx.GraphProto) -> None:
    """Attributes that are missing, there twice, of another type or range."""
    nodes = [node for node in graph.node if node.attribute]
    if not nodes or source.once_in(4):
        node = source.choice(graph.node) if graph.node else graph.node.add()
        value = source.choice(([], 1, 2**62, -1, 1.5, "x", ["x"] * 3, [0] * 1000))
        if value == []:
            node.attribute.add(name="axis", type=source.randrange(15))
        else:
            name = source.choice(("axis", "axes", "to", "perm", "value", "body", "allowzero", ""))
            node.attribute.append(helper.make_attribute(name, value))
        return
    node = source.choice(nodes)
    attribute = source.choice(node.attribute)
    change = source.randrange(5)
    if change == 0:
        node.attribute.remove(attribute)
    elif change == 1:
        node.attribute.append(attribute)
    elif change == 2:
        attribute.i = source.choice(onnx_tensors.DIMENSIONS)
    elif change == 3:
        attribute.type = source.randrange(15)
    else:
        attribute.ref_attr_name = source.choice(NAMES)


def _signature(source: Source, graph: onnx.GraphProto) -> None:
    """Inputs and outputs that are missing, there twice, renamed or in another order."""
    values = source.choice((graph.input, graph.output))
    if not values:
        return
    value = source.choice(values)
    change = source.randrange(4)
    if change == 0:
        values.remove(value)
    elif change == 1:
        values.append(value)
    elif change == 2:
        value.name = source.choice(NAMES)
    else:
        first = copy.deepcopy(values[0])
        values[0].CopyFrom(value)
        value.CopyFrom(first)


def _header(source: Source, model: onnx.ModelProto) -> None:
    """Versions, metadata and text of the model itself."""
    change = source.randrange(7)
    if change == 0:
        model.ir_version = source.choice(VERSIONS)
    elif change == 1 and model.opset_import:
        source.choice(model.opset_import).version = source.choice(VERSIONS)
    elif change == 2:
        model.opset_import.add(domain=source.choice(DOMAINS), version=source.choice(VERSIONS))
    elif change == 3:
        del model.opset_import[:]
    elif change == 4:
        key = source.choice((*NAMES, "clampdown.mode", "clampdown.layers"))
        model.metadata_props.add(key=key, value=source.choice(NAMES))
    elif change == 5 and model.metadata_props:
        entry = source.choice(model.metadata_props)
        source.choice((entry.Clear, lambda: model.metadata_props.append(entry)))()
    else:
        model.graph.ClearField(source.choice(("name", "doc_string", "node")))


def _names(source: Source, graph: onnx.GraphProto) -> None:
    """The same metadata as torch leaves, with other contents."""
    if not graph.node:
        return
    node = source.choice(graph.node)
    key = source.choice(("pkg.torch.onnx.name_scopes", "clampdown.role", "pkg.torch.onnx.x"))
    value = source.choice(("['a', 'b.c', 'd']", "[", "(" * 5000, "9" * 5000, "[1, None]", "{}", ""))
    node.metadata_props.add(key=key, value=value)
    node.name = source.choice((node.name, "/" * 1000, "a/b/c", *NAMES))


OF_MODEL = (_header, onnx_graphs.insert)
OF_GRAPH = (
    *(_shape, _kind, _tensor, _tensor, _initializers, _nodes, _nodes, _attributes, _signature),
    _names,
)
