"""Brings the inputs and the logits of a stranger's graph to what a bundle has."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import onnx_ir as ir
from onnx_ir.passes import common

from clampdown_calib.graphs.onnx_files.refusal import refusal
from clampdown_calib.graphs.onnx_graph import LOGITS
from clampdown_runtime.bundle.manifest import InputName

INPUTS: tuple[InputName, ...] = get_args(InputName)
REQUIRED = frozenset(("input_ids", "attention_mask"))

DEFENCE = ("anomaly_score", "flagged")
OURS = (LOGITS, *DEFENCE, "threshold")
"""Names that the defence gives to values of its own."""

PROBABILITIES = frozenset(("Softmax", "Sigmoid"))
"""Of log-probabilities the softmax is that of the logits; of probabilities it is another one."""

UNCHANGED = frozenset(("Identity", "Cast"))

AGAIN = "Export the model with the task text-classification."


def use_interface(model: ir.Model, path: Path, *, classes: int) -> str:
    """Make the inputs int64 ``[batch, sequence]`` and float32 ``logits`` the only output.

    Args:
        model: is changed; see :func:`widen_inputs` and :func:`name_logits`.
        path: of its file, for the errors.
        classes: of the configuration.

    Returns:
        The output of the file that the logits are.

    Raises:
        ModelError: it has other inputs, or no logits of so many classes.
    """
    graph = model.graph
    outputs = [str(value.name) for value in graph.outputs]
    if set(DEFENCE) <= set(outputs):
        found = f"the outputs {outputs}: a bundle's graph, which is defended already"
        raise refusal(path, found, "an undefended model", "Pass the model it was made of.")
    # Files of IR version 3 list their weights among the inputs.
    common.RemoveInitializersFromInputsPass()(model)
    _require_inputs(graph, path)
    output = name_logits(model, path, classes=classes)
    widen_inputs(model)
    for value in graph.inputs:
        value.shape = ir.Shape(["batch", "sequence"])
    return output


def widen_inputs(model: ir.Model) -> None:
    """Cast int64 inputs to the int32 that some exporters have the graph read."""
    graph = model.graph
    for value in [value for value in graph.inputs if value.dtype == ir.DataType.INT32]:
        users = value.uses()
        cast = ir.node("Cast", [value], {"to": ir.DataType.INT32}, name=f"{value.name}_as_int32")
        narrow = cast.outputs[0]
        narrow.name = _free_name(graph, f"{value.name}_as_int32")
        narrow.type, narrow.shape = ir.TensorType(ir.DataType.INT32), value.shape
        value.dtype = ir.DataType.INT64
        for user, index in users:
            user.replace_input_with(index, narrow)
        graph.insert_before(graph[0], cast)


def name_logits(model: ir.Model, path: Path, *, classes: int | None) -> str:
    """Find the logits by their name, or by being all that the logits can be; leave them alone.

    Half-precision logits are cast to float32.

    Args:
        model: is changed: ``logits``, its rows named ``batch``, is its only output.
        path: of its file, for the errors.
        classes: how many there have to be; None for any number.

    Returns:
        Their name in the file.

    Raises:
        ModelError: no output, or more than one, is float ``[batch, classes]``, or what it holds is
            probabilities.
    """
    graph = model.graph
    logits = _found_logits(graph, path, classes)
    name = str(logits.name)
    if (maker := _probabilities(logits)) is not None:
        raise refusal(
            path,
            f"probabilities: {name} is what a {maker} gives",
            "logits, of which the softmax is taken outside the model",
            "Export the model without its last operator.",
        )
    shape = ir.Shape(["batch", logits.shape[1]])  # type: ignore[index]
    if logits.dtype == ir.DataType.FLOAT16:
        cast = ir.node("Cast", [logits], {"to": ir.DataType.FLOAT}, name="logits_as_float32")
        graph.append(cast)
        logits = cast.outputs[0]
    graph.outputs[:] = [logits]
    for value in _values(graph):
        if value.name in OURS and value is not logits:
            value.name = _free_name(graph, f"{value.name}_of_the_model")
    logits.name, logits.type, logits.shape = LOGITS, ir.TensorType(ir.DataType.FLOAT), shape
    return name


def _require_inputs(graph: ir.Graph, path: Path) -> None:
    names = [str(value.name) for value in graph.inputs]
    if not set(names) >= REQUIRED:
        without = " or ".join(sorted(REQUIRED - set(names), reverse=True))
        raise refusal(
            path,
            f"the inputs {names}, without {without}",
            "input_ids, and attention_mask to tell tokens from padding",
            AGAIN,
        )
    if others := sorted(set(names) - set(INPUTS)):
        raise refusal(
            path,
            f"the inputs {names}: a tokenizer does not give {', '.join(others)}",
            f"input_ids, attention_mask and perhaps {INPUTS[2]}",
            f"{AGAIN} A graph counts positions itself where it is not given any.",
        )
    for value in graph.inputs:
        whole = value.dtype in (ir.DataType.INT64, ir.DataType.INT32)
        if not whole or _fixed(value.shape) != (False, False):
            found = f"the input {value.name} of the type {value.dtype} and the shape {value.shape}"
            expected = "int64 or int32 [batch, sequence], neither of them fixed"
            raise refusal(path, found, expected, AGAIN)


def _found_logits(graph: ir.Graph, path: Path, classes: int | None) -> ir.Value:
    described = [f"{value.name} {value.dtype}{value.shape}" for value in graph.outputs]
    named = [value for value in graph.outputs if value.name == LOGITS]
    found = named or [value for value in graph.outputs if _may_be_logits(value, classes)]
    if len(found) != 1:
        raise refusal(
            path,
            f"the outputs {', '.join(described)}",
            f"an output `{LOGITS}`, or one alone that is float [batch, {classes or 'classes'}]",
            f"{AGAIN} Where several outputs are of that kind, call the right one `{LOGITS}`.",
        )
    [logits] = found
    if not _may_be_logits(logits, None):
        what = f"logits of the type {logits.dtype} and the shape {logits.shape}"
        raise refusal(path, what, "float [batch, a fixed number of classes]", AGAIN)
    if not _may_be_logits(logits, classes):
        what = f"logits of {logits.shape[1]} classes"  # type: ignore[index]
        raise refusal(path, what, f"the {classes} of config.json", "Correct id2label.")
    return logits


def _may_be_logits(value: ir.Value, classes: int | None) -> bool:
    """Whether it is float ``[batch, classes]``; with None of any fixed number of classes."""
    shape = value.shape
    if value.dtype not in (ir.DataType.FLOAT, ir.DataType.FLOAT16) or shape is None:
        return False
    return _fixed(shape) == (False, True) and classes in (None, shape[1])


def _probabilities(value: ir.Value) -> str | None:
    """The operator that makes probabilities of the logits; None where none does."""
    node = value.producer()
    while node is not None and node.op_type in UNCHANGED:
        before = node.inputs[0]
        node = None if before is None else before.producer()
    return node.op_type if node is not None and node.op_type in PROBABILITIES else None


def _fixed(shape: ir.Shape | None) -> tuple[bool, ...] | None:
    """Which dimensions have a fixed size; None where nothing is known."""
    return None if shape is None else tuple(isinstance(size, int) for size in shape)


def _values(graph: ir.Graph) -> Iterator[ir.Value]:
    yield from list(graph.initializers.values())
    for node in graph:
        yield from node.outputs


def _free_name(graph: ir.Graph, name: str) -> str:
    """``name``, with as many underscores as it takes to be no other value's."""
    taken = {value.name for value in (*graph.inputs, *_values(graph))}
    while name in taken:
        name += "_"
    return name
