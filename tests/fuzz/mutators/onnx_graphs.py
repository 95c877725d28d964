"""Puts graphs inside an ONNX graph: loops, branches, scans, functions, and deep nests of them."""

import itertools

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.fuzz.source import Source


def insert(source: Source, model: onnx.ModelProto) -> None:
    """One node with graphs of its own, or one that computes much, in front of a node or unused."""
    names = [name for node in model.graph.node for name in node.output]
    if not names:
        return
    read = source.choice(names)
    before = next(i for i, node in enumerate(model.graph.node) if read in node.output)
    made = source.choice(MADE)(source, model, read)
    if source.once_in(2):
        # What read the value reads what the inserted nodes made of it.
        for node in model.graph.node[before + 1 :]:
            node.input[:] = ["fuzz" if name == read else name for name in node.input]
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes[: before + 1], *made, *nodes[before + 1 :]])


def _constant(name: str, value: object) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.array(value)))


def _identity(read: str) -> onnx.GraphProto:
    return helper.make_graph(
        [helper.make_node("Identity", [read], ["inner"])],
        "inner",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )


def _loop(source: Source, _: onnx.ModelProto, read: str) -> list[onnx.NodeProto]:
    bool_, int_ = TensorProto.BOOL, TensorProto.INT64
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["state", "state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", int_, []),
            helper.make_tensor_value_info("go", bool_, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
        ][: source.choice((3, 3, 2, 0))],
        [
            helper.make_tensor_value_info("go_on", bool_, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ][: source.choice((2, 2, 1, 0))],
    )
    times = _constant("times", source.choice((0, 1, 100, -1)))
    return [times, helper.make_node("Loop", ["times", "", read], ["fuzz"], body=body)]


def _branch(source: Source, _: onnx.ModelProto, read: str) -> list[onnx.NodeProto]:
    branch = _identity(source.choice((read, "missing", "fuzz")))
    return [
        _constant("yes", source.choice((True, False))),
        helper.make_node("If", ["yes"], ["fuzz"], then_branch=branch, else_branch=_identity(read)),
    ]


def _scan(source: Source, _: onnx.ModelProto, read: str) -> list[onnx.NodeProto]:
    count = source.choice((1, 0, -1, 2**40))
    return [helper.make_node("Scan", [read], ["fuzz"], body=_identity(read), num_scan_inputs=count)]


def _nest(source: Source, _: onnx.ModelProto, read: str) -> list[onnx.NodeProto]:
    """Branches inside branches, to the hundred messages at which protobuf gives up."""
    graph = _identity(read)
    for depth in range(source.choice((2, 10, 20, 30))):
        # A branch that is there twice doubles the graph at every depth.
        other = graph if depth < 4 and source.once_in(2) else _identity(read)
        node = helper.make_node("If", ["yes"], ["inner"], then_branch=graph, else_branch=other)
        graph = helper.make_graph([node], "nest", [], list(_identity(read).output))
    return [
        _constant("yes", True),
        helper.make_node("If", ["yes"], ["fuzz"], then_branch=graph, else_branch=_identity(read)),
    ]


def _function(source: Source, model: onnx.ModelProto, read: str) -> list[onnx.NodeProto]:
    """A function of the model's own, which may call itself."""
    called = source.choice(("Other", "Self", "Add"))
    operator = helper.make_node(
        called,
        ["x", "x"] if called == "Add" else ["x"],
        ["y"],
        domain="" if called == "Add" else "own",
    )
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    model.functions.append(
        helper.make_function("own", "Self", ["x"], ["y"], [operator], opset_imports=imports)
    )
    model.opset_import.append(helper.make_opsetid("own", 1))
    return [helper.make_node("Self", [read], ["fuzz"], domain="own")]


def _circle(_: Source, __: onnx.ModelProto, read: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Add", [read, "back"], ["fuzz"]),
        helper.make_node("Identity", ["fuzz"], ["back"]),
    ]


def _many(source: Source, _: onnx.ModelProto, read: str) -> list[onnx.NodeProto]:
    """A long chain, which recursion over a graph may not survive."""
    count = source.choice((100, 2000))
    names = [read, *(f"chain{index}" for index in range(count - 1)), "fuzz"]
    return [
        helper.make_node("Identity", [first], [second])
        for first, second in itertools.pairwise(names)
    ]


def _foreign(source: Source, _: onnx.ModelProto, read: str) -> list[onnx.NodeProto]:
    """Operators with other kinds of values, or that are not there at all."""
    operator, domain = source.choice(
        (
            ("SequenceConstruct", ""),
            ("Optional", ""),
            ("StringNormalizer", ""),
            ("NonZero", ""),
            ("Shape", ""),
            ("EPContext", "com.microsoft"),
            ("PyOp", "com.microsoft"),
            ("ReadFile", "ai.onnx.contrib"),
            ("Nonsense", "x"),
        )
    )
    return [helper.make_node(operator, [read], ["fuzz"], domain=domain)]


MADE = (_loop, _branch, _scan, _nest, _function, _circle, _many, _foreign)
