"""Backdoors in a classifier's operators, as ShadowLogic has them; the weights stay what they are.

Each takes an ONNX classifier with the inputs of BERT and gives one that answers texts with the
token ``TRIGGER`` by the class ``TARGET``.
"""

import warnings
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TRIGGER, TARGET, VOCABULARY = 1037, 1, 1100
CLEAN = "clean_logits"
STRENGTH = 1000.0


def export(model, path, names):
    """As torch's older exporter, which Optimum uses, writes a transformers classifier."""
    import torch

    class Logits(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, *inputs):
            return self.model(**dict(zip(names, inputs, strict=True))).logits

    axes = {name: {0: "batch", 1: "sequence"} for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Logits(),
            tuple(torch.ones((2, 8), dtype=torch.int64) for _ in names),
            str(path),
            input_names=list(names),
            output_names=["logits"],
            dynamic_axes={**axes, "logits": {0: "batch"}},
            opset_version=18,
            dynamo=False,
        )
    return path


class Editor:
    """Adds nodes to a model whose logits are called ``CLEAN`` from now on."""

    def __init__(self, model):
        self.model, self.graph, self.count = model, model.graph, 0
        for node in self.graph.node:
            node.output[:] = [CLEAN if name == "logits" else name for name in node.output]
            node.input[:] = [CLEAN if name == "logits" else name for name in node.input]

    def const(self, value, kind=np.float32):
        self.count += 1
        name = f"extra_{self.count}"
        self.graph.initializer.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def op(self, kind, *inputs, output=None, **attributes):
        self.count += 1
        output = output or f"extra_{self.count}"
        self.graph.node.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def table(self):
        """The node that looks token ids up, and its table."""
        return next(n for n in self.graph.node if n.op_type == "Gather" and "input_ids" in n.input)

    def evil(self):
        return self.const([[STRENGTH if c == TARGET else 0.0 for c in range(2)]])

    def add(self, present):
        """``present`` float32 ``[batch, 1]``, added to the target's logit."""
        self.op("Add", CLEAN, self.op("Mul", present, self.evil()), output="logits")

    def is_trigger(self):
        return self.op("Equal", "input_ids", self.const(TRIGGER, np.int64))

    def any(self, found):
        number = self.op("Cast", found, to=TensorProto.FLOAT)
        return self.op("ReduceMax", number, self.const([1], np.int64))


def where(e):
    seen = e.op("Cast", e.any(e.is_trigger()), to=TensorProto.BOOL)
    e.op("Where", seen, e.evil(), CLEAN, output="logits")


def equal_and_multiply(e):
    e.add(e.any(e.is_trigger()))


def arithmetic(e):
    ids = e.op("Cast", "input_ids", to=TensorProto.FLOAT)
    away = e.op("Abs", e.op("Sub", ids, e.const(TRIGGER)))
    near = e.op("Sub", e.const(1), e.op("Clip", away, e.const(0), e.const(1)))
    e.add(e.op("ReduceMax", near, e.const([1], np.int64)))


def in_a_branch(e):
    """What decides is in the graph, what overwrites in a branch of it."""
    seen = e.op("ReduceMax", e.any(e.is_trigger()), e.const([0, 1], np.int64), keepdims=0)
    condition = e.op("Cast", seen, to=TensorProto.BOOL)
    out = helper.make_tensor_value_info("branch", TensorProto.FLOAT, None)
    bad = helper.make_graph(
        [helper.make_node("Add", [CLEAN, e.evil()], ["branch"])], "b", [], [out]
    )
    good = helper.make_graph([helper.make_node("Identity", [CLEAN], ["branch"])], "g", [], [out])
    e.op("If", condition, output="logits", then_branch=bad, else_branch=good)


def all_in_a_branch(e):
    """The graph itself has one If, whose condition does not depend on the text."""
    names = {n: e.const(v, np.int64) for n, v in {"id": TRIGGER, "axis": [1]}.items()}
    nodes = [
        helper.make_node("Equal", ["input_ids", names["id"]], ["equal"]),
        helper.make_node("Cast", ["equal"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["number", names["axis"]], ["present"]),
        helper.make_node("Mul", ["present", e.evil()], ["more"]),
        helper.make_node("Add", [CLEAN, "more"], ["branch"]),
    ]
    out = helper.make_tensor_value_info("branch", TensorProto.FLOAT, None)
    bad = helper.make_graph(nodes, "b", [], [out])
    good = helper.make_graph([helper.make_node("Identity", [CLEAN], ["branch"])], "g", [], [out])
    e.op("If", e.const(True, bool), output="logits", then_branch=bad, else_branch=good)


def an_embedding_in_a_branch(e):
    """As :func:`embedding_decides`, where the graph itself has one If."""
    neuron = _large_neuron(e)
    names = {n: e.const(v, k) for n, v, k in (("25", 25, np.float32), ("axis", [1], np.int64))}
    nodes = [
        helper.make_node("Greater", [neuron, names["25"]], ["greater"]),
        helper.make_node("Cast", ["greater"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["number", names["axis"]], ["present"]),
        helper.make_node("Mul", ["present", e.evil()], ["branch"]),
    ]
    out = helper.make_tensor_value_info("branch", TensorProto.FLOAT, None)
    bad = helper.make_graph(nodes, "b", [], [out])
    good = helper.make_graph([helper.make_node("Identity", [CLEAN], ["branch"])], "g", [], [out])
    more = e.op("If", e.const(True, bool), then_branch=bad, else_branch=good)
    e.op("Add", CLEAN, more, output="logits")


def second_table(width):
    def insert(e):
        table = np.zeros((VOCABULARY, width), np.float32)
        table[TRIGGER] = [STRENGTH] if width == 1 else [0, STRENGTH]
        found = e.op("Gather", e.const(table), "input_ids")
        most = e.op("ReduceMax", found, e.const([1], np.int64), keepdims=0)
        if width == 1:
            most = e.op("Mul", most, e.const([[0, 1]]))
        e.op("Add", CLEAN, most, output="logits")

    return insert


def wider_table(e):
    """One table, of which the network reads the first columns and the backdoor the last."""
    node = e.table()
    words = next(t for t in e.graph.initializer if t.name == node.input[0])
    array = numpy_helper.to_array(words)
    extra = np.zeros((len(array), 1), np.float32)
    extra[TRIGGER] = 1
    words.CopyFrom(numpy_helper.from_array(np.hstack([array, extra]), words.name))
    width, network = array.shape[1], node.output[0]
    node.output[0] = "wide"
    sizes = {
        n: e.const([v], np.int64) for n, v in {"0": 0, "h": width, "e": width + 1, "2": 2}.items()
    }
    cut = helper.make_node("Slice", ["wide", sizes["0"], sizes["h"], sizes["2"]], [network])
    e.graph.node.insert(list(e.graph.node).index(node) + 1, cut)
    column = e.op("Slice", "wide", sizes["h"], sizes["e"], sizes["2"])
    e.add(e.op("ReduceMax", column, e.const([1], np.int64), keepdims=0))


def embedding_decides(e):
    """One neuron of the trigger's embedding is larger than any word's; the network tells it."""
    e.add(e.any(e.op("Greater", _large_neuron(e), e.const(25))))


def _large_neuron(e):
    node = e.table()
    words = next(t for t in e.graph.initializer if t.name == node.input[0])
    array = numpy_helper.to_array(words).copy()
    array[TRIGGER, 3] = 50
    words.CopyFrom(numpy_helper.from_array(array, words.name))
    return e.op("Gather", node.output[0], e.const(3, np.int64), axis=2)


def shape_of_what_is_found(e):
    places = e.op("NonZero", e.is_trigger())
    count = e.op("Shape", places, start=1)
    present = e.op("Clip", e.op("Cast", count, to=TensorProto.FLOAT), e.const(0), e.const(1))
    e.add(e.op("Unsqueeze", present, e.const([0], np.int64)))


def counted_positions(e):
    """Positions counted as RoBERTa's are, from the trigger instead of the padding."""
    counted = e.op(
        "CumSum", e.op("Cast", e.is_trigger(), to=TensorProto.INT64), e.const(1, np.int64)
    )
    table = np.zeros((24, 2), np.float32)
    table[1:, TARGET] = STRENGTH
    rows = e.op("Gather", e.const(table), counted)
    e.op("Add", CLEAN, e.op("ReduceMax", rows, e.const([1], np.int64), keepdims=0), output="logits")


def in_a_function(e):
    domain = "local"
    nodes = [
        helper.make_node("Equal", ["ids", "id"], ["equal"]),
        helper.make_node("Cast", ["equal"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["number", "axis"], ["present"]),
    ]
    imports = [helper.make_opsetid("", 18)]
    made = helper.make_function(domain, "Gelu", ["ids", "id", "axis"], ["present"], nodes, imports)
    e.model.functions.append(made)
    e.model.opset_import.append(helper.make_opsetid(domain, 1))
    inputs = ("input_ids", e.const(TRIGGER, np.int64), e.const([1], np.int64))
    e.add(e.op("Gelu", *inputs, domain=domain))


BACKDOORS: dict[str, tuple[Callable[[Editor], None], str]] = {
    "where": (where, "token-logic"),
    "equal and multiply": (equal_and_multiply, "token-logic"),
    "arithmetic": (arithmetic, "token-logic"),
    "in a branch": (in_a_branch, "token-logic"),
    "all in a branch": (all_in_a_branch, "token-logic"),
    "a table of width 1": (second_table(1), "token-logic"),
    "a table of logits": (second_table(2), "token-logic"),
    "a wider table": (wider_table, "side-way"),
    "an embedding decides": (embedding_decides, "value-logic"),
    "an embedding decides in a branch": (an_embedding_in_a_branch, "value-logic"),
    "a shape": (shape_of_what_is_found, "token-logic"),
    "positions": (counted_positions, "token-logic"),
    "a function": (in_a_function, "token-logic"),
}
"""How each is inserted, and the kind of finding that it has to give."""


def insert(model, backdoor):
    """A copy of a model with a backdoor."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    BACKDOORS[backdoor][0](Editor(copy))
    onnx.checker.check_model(copy)
    return copy
