"""The undefended graph comes out of every defended one again."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import tiny_graph
from defended_graphs import (
    MODES,
    PLAIN,
    WAYS,
    defended,
    operators,
    refused,
)

from clampdown_exporter.passes.pipeline import rewrite
from clampdown_exporter.passes.remove_defence import RemoveDefence


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("representation", ["first", "last"])
@pytest.mark.parametrize("saved", [False, True])
def test_undefend_is_the_inverse_of_every_mode(mode, way, representation, saved):
    original = tiny_graph.marked_graph()
    model, _ = defended(mode, way, representation=representation)
    if saved:
        model = ir.from_proto(onnx.ModelProto.FromString(ir.to_proto(model).SerializeToString()))
    rewrite(model, (RemoveDefence(),))
    assert operators(model) == operators(original) == PLAIN
    assert [*model.graph.initializers] == [*original.graph.initializers]
    # The shapes too, which are hidden from the optimiser.
    before, after = (
        {v.name: (v.dtype, str(v.shape)) for n in m.graph for v in n.outputs if v.shape is not None}
        for m in (original, model)
    )
    assert before == after
    for kind in ("inputs", "outputs"):
        before, after = (
            [(v.name, v.dtype, str(v.shape)) for v in getattr(m.graph, kind)]
            for m in (original, model)
        )
        assert before == after
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    inputs = tiny_graph.batch(5, 6)
    np.testing.assert_array_equal(
        tiny_graph.session(model).run(None, inputs)[0],
        tiny_graph.session(original).run(None, inputs)[0],
    )


@pytest.mark.parametrize("mode", ["detect-then-purify", "purify"])
def test_graphs_from_before_own_logits_were_an_output_are_undefended_too(mode):
    model, _ = defended(mode, "probe")
    model.graph.outputs.pop().name = "clampdown/undefended/logits"
    rewrite(model, (RemoveDefence(),))
    assert operators(model) == PLAIN


def test_undefend_refuses_a_loop_without_logits():
    model, _ = defended("detect-then-purify", "badacts")
    [loop] = [node for node in model.graph if node.op_type == "Loop"]
    for node in loop.attributes["body"].as_graph():
        node.metadata_props.clear()
    refused((RemoveDefence(),), "The pass RemoveDefence: .*collects no logits", model)
