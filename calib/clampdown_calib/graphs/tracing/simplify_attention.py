"""Removes from a traced attention what costs time and changes nothing."""

from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript.rewriter import pattern

BEGIN, END = np.iinfo(np.int64).min, np.iinfo(np.int64).max


class _TransposedKeys(pattern.RewriteRuleClassBase):
    """Torch merges the heads into the batch to transpose the keys; one Transpose does it."""

    def pattern(self, op: Any, keys: object) -> object:  # noqa: ANN401 - a builder of any operator
        shape = op.Shape(keys, _allow_other_attributes=True)
        width = op.Slice(shape, [-1], [int(END)])
        length = op.Slice(shape, [-2], [-1])
        outer = op.Slice(shape, [int(BEGIN)], [-2])
        merged = op.Reshape(
            keys, op.Concat([-1], length, width, axis=0), _allow_other_attributes=True
        )
        turned = op.Transpose(merged, perm=[0, 2, 1])
        return op.Reshape(
            turned, op.Concat(outer, width, length, axis=0), _allow_other_attributes=True
        )

    def rewrite(self, op: Any, keys: object, **_: object) -> object:  # noqa: ANN401 - as above
        return op.Transpose(keys, perm=[0, 1, 3, 2])


class _JoinedTransposes(pattern.RewriteRuleClassBase):
    """The heads' transposition and that of the keys are one."""

    def pattern(self, op: Any, projected: object) -> object:  # noqa: ANN401 - as above
        return op.Transpose(op.Transpose(projected, perm=[0, 2, 1, 3]), perm=[0, 1, 3, 2])

    def rewrite(self, op: Any, projected: object, **_: object) -> object:  # noqa: ANN401 - as above
        return op.Transpose(projected, perm=[0, 2, 3, 1])


def simplify_attention(model: ir.Model) -> None:
    """Rewrite in place what torch's exporter makes of ``scaled_dot_product_attention``.

    Keys are transposed by one node instead of ten. The guard that puts zeros where a softmax is
    NaN goes where the mask that is added is finite: then no row of it is empty, and a NaN that the
    weights themselves make shows in the score instead of being hidden.
    """
    for kind in (_TransposedKeys, _JoinedTransposes):
        pattern.RewriteRuleSet([kind.rule()]).apply_to_model(model)  # type: ignore[no-untyped-call]
    for node in list(model.graph):
        kept = node.inputs[2] if node.op_type == "Where" and _is_guard(node) else None
        if kept is not None:
            ir.convenience.replace_all_uses_with(node.outputs[0], kept)
    common.RemoveUnusedNodesPass()(model)


def _is_guard(node: ir.Node) -> bool:
    """Of a softmax whose input has a finite mask added."""
    test, softmax = _maker(node.inputs[0]), _maker(node.inputs[2])
    if test is None or softmax is None or test.op_type != "IsNaN" or softmax.op_type != "Softmax":
        return False
    added = _maker(softmax.inputs[0])
    if test.inputs[0] is not softmax.outputs[0] or added is None or added.op_type != "Add":
        return False
    return any(_is_finite_mask(value) for value in added.inputs)


def _is_finite_mask(value: ir.Value | None) -> bool:
    mask = _maker(value)
    if mask is None or mask.op_type != "Where":
        return False
    chosen = [None if v is None else ir.convenience.get_const_tensor(v) for v in mask.inputs[1:]]
    return all(tensor is not None and np.isfinite(tensor.numpy()).all() for tensor in chosen)


def _maker(value: ir.Value | None) -> ir.Node | None:
    return None if value is None else value.producer()
