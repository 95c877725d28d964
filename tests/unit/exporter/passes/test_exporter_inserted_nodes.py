"""Which nodes the passes insert into a graph made by hand, and where."""

import onnx
import onnx_ir as ir
import pytest
import tiny_graph
from defended_graphs import (
    EXCESS,
    FINITE,
    FIRST_LAYER,
    HEAD,
    MEANS,
    MIXTURE,
    MODES,
    NAS,
    PLAIN,
    SECOND_LAYER,
    TOKENS,
    VERDICT,
    WAYS,
    defended,
    operators,
)

from clampdown_calib.badacts.insert_clips import InsertClips
from clampdown_calib.graphs.sites import ROLE, marked_layers
from clampdown_exporter.passes.pipeline import rewrite
from clampdown_exporter.passes.probe_outputs import probe_outputs


def test_insert_clips_puts_max_and_min_behind_every_marked_layer():
    model = tiny_graph.marked_graph()
    raw = [value.name for value in marked_layers(model.graph)]
    rewrite(model, (InsertClips(tiny_graph.intervals()),))
    clip = ["Max", "Min"]
    assert operators(model) == [*FIRST_LAYER, *clip, *SECOND_LAYER, *clip, *HEAD]
    # The mark stays on the raw value, whose only reader is its clip.
    layers = marked_layers(model.graph)
    assert [value.name for value in layers] == raw
    for value in layers:
        [(reader, _)] = value.uses()
        assert reader.op_type == "Max"
        [(upper, _)] = reader.outputs[0].uses()
        assert upper.op_type == "Min"
        assert len(list(upper.outputs[0].uses())) >= 1
        assert upper.outputs[0].shape == value.shape


@pytest.mark.parametrize(
    ("way", "score"), [("probe", [*MEANS, *EXCESS]), ("badacts", [*TOKENS, *NAS])]
)
def test_insert_statistic_appends_and_leaves_the_network_alone(way, score):
    model, _ = defended("detect", way)
    assert operators(model) == [*PLAIN, *score, *FINITE, *VERDICT]
    assert [value.name for value in model.graph.inputs] == [
        "input_ids",
        "attention_mask",
        "threshold",
    ]


@pytest.mark.parametrize(
    ("mode", "more"),
    [
        ("detect-then-purify", [*MIXTURE, "Unsqueeze", "Where"]),
        ("purify", MIXTURE),
        ("detect", []),
    ],
)
def test_insert_answer_appends_and_leaves_the_network_alone(mode, more):
    model, _ = defended(mode, "probe")
    assert operators(model) == [*PLAIN, *MEANS, *EXCESS, *FINITE, *VERDICT, *more]


@pytest.mark.parametrize("mode", MODES)
def test_last_layer_is_not_probed(mode):
    """In it a trigger has decided already."""
    model, _ = defended(mode, "probe")
    inserted = [
        [use.node.op_type for use in value.uses() if ROLE in use.node.metadata_props]
        for value in marked_layers(model.graph)
    ]
    assert inserted == [["MatMul"], []]


@pytest.mark.parametrize("mode", MODES)
def test_probes_and_their_excess_are_found_where_there_are_any(mode):
    found = probe_outputs(defended(mode, "probe")[0].graph)
    readers = {
        name: [use.node.op_type for use in getattr(found, name).uses()]
        for name in ("probes", "every", "chosen", "excess")
    }
    answered = mode != "detect"
    assert readers == {
        "probes": ["Concat"],
        "every": ["Where", "Where"] + ["Mul"] * answered,
        "chosen": ["Where", "Where"] + ["Where"] * answered,
        "excess": ["ReduceMax"] + ["Gemm"] * answered,
    }
    assert probe_outputs(defended(mode, "badacts")[0].graph) is None


def test_second_pass_moves_the_network_behind_its_first_layer_into_one_loop():
    clipped, _ = defended("purify", "badacts")
    model, _ = defended("detect-then-purify", "badacts")
    outer = operators(model)
    body = outer.pop(outer.index("Loop") + 1)
    assert outer == [
        *FIRST_LAYER,
        *["Shape", "Squeeze", "Range", "Concat", "ConstantOfShape", "ConstantOfShape", "Loop"],
        *["LessOrEqual", "Not"],
    ]
    gates = ["Equal", *["Where"] * 4]
    # What the mask gives is needed on both sides: once for all rows, once for those of the trip.
    copied = ["Cast", "Unsqueeze"]
    scores = ["Unsqueeze", "Gather", "Where", "ScatterND"]
    rows = ["And", "Cast", "ReduceMax", "Cast", *["Compress"] * 3]
    network = operators(clipped)[len(FIRST_LAYER) :]
    assert body == [*gates, *copied, *network, *scores, *rows, "ScatterND"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_shapes_of_the_network_are_hidden_in_every_mode(mode, way):
    model, _ = defended(mode, way)
    shaped = {
        value
        for node in model.graph.all_nodes()
        for value in node.outputs
        if value.shape is not None and ROLE not in node.metadata_props
    }
    assert shaped <= set(model.graph.outputs)
    assert all(value.shape is not None for value in model.graph.outputs)


@pytest.mark.parametrize("way", WAYS)
def test_weights_are_in_the_outer_graph_once(way):
    model, _ = defended("detect-then-purify", way)
    loops = [node for node in model.graph if node.op_type == "Loop"]
    assert len(loops) == (way == "badacts")
    assert not any(loop.attributes["body"].as_graph().initializers for loop in loops)
    plain = sum(v.const_value.nbytes for v in tiny_graph.marked_graph().graph.initializers.values())
    own = [v for k, v in model.graph.initializers.items() if not k.startswith("clampdown.")]
    assert sum(v.const_value.nbytes for v in own if v.name != "threshold") == plain


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("representation", ["first", "last"])
def test_graph_passes_the_full_check_and_keeps_the_contract(mode, way, representation):
    model, _ = defended(mode, way, representation=representation, threshold=1.5)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    outputs = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in proto.graph.output
    }
    own = {} if way == "badacts" or mode == "detect" else {"undefended_logits": ["batch", 3]}
    assert outputs == {
        "logits": ["batch", 3],
        "anomaly_score": ["batch"],
        "flagged": ["batch"],
        **own,
    }
    assert model.graph.initializers["threshold"].const_value.numpy() == [1.5]
    names = [n.name for n in ir.traversal.RecursiveGraphIterator(model.graph)]
    assert len(set(names)) == len(names)
