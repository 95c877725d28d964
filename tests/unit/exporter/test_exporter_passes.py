"""The passes, on a graph made by hand: which nodes they insert, and what the result computes."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import tiny_models

from clampdown_calib.detectors import DETECTORS
from clampdown_calib.intervals import Intervals
from clampdown_exporter.passes.insert_clips import InsertClips
from clampdown_exporter.passes.insert_statistic import InsertStatistic
from clampdown_exporter.passes.pipeline import passes_of, rewrite
from clampdown_exporter.passes.second_pass import SecondPass
from clampdown_exporter.passes.undefend import Undefend
from clampdown_exporter.sites import LAYER, marked_layers
from clampdown_runtime import ExportError

MODES = ("detect-then-purify", "purify", "detect")
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
FIRST_LAYER = ["Cast", "Unsqueeze", "Gather", "Mul", "Relu"]
SECOND_LAYER = ["Mul", "ReduceSum", "ReduceSum", "Div", "Add", "MatMul"]
HEAD = ["Gather", "MatMul"]
PLAIN = [*FIRST_LAYER, *SECOND_LAYER, *HEAD]


def fitted(detector="fusion", representation="first", clip=None):
    """On clean rows of the run that its score will be taken from."""
    seen = tiny_models.seen(tiny_models.batch(200, 6, seed=3), representation, clip)
    return DETECTORS[detector].fit(lambda: [seen])


def defended(mode, *, detector="fusion", representation="first", threshold=0.0):
    bounds = tiny_models.intervals()
    of_run = fitted(detector, representation, bounds if mode == "purify" else None)
    model = tiny_models.marked_graph()
    rewrite(model, passes_of(mode, bounds, of_run, representation, threshold))
    return model, of_run


def operators(model):
    """Those of the main graph, in order; those of a loop's body behind their loop."""
    found = []
    for node in model.graph:
        found.append(node.op_type)
        if node.op_type == "Loop":
            found.append([inner.op_type for inner in node.attributes["body"].as_graph()])
    return found


def middle_threshold(mode, detector, inputs, representation="first"):
    """Between two scores, so that about half of the rows are flagged."""
    clip = tiny_models.intervals() if mode == "purify" else None
    score = np.sort(detector.score(tiny_models.seen(inputs, representation, clip)))
    return float(score[len(score) // 2 - 1 : len(score) // 2 + 1].mean())


def expected(mode, detector, inputs, threshold, representation="first"):
    """Logits, score and verdict by NumPy alone."""
    bounds = tiny_models.intervals()
    _, free = tiny_models.reference(inputs)
    _, purified = tiny_models.reference(inputs, bounds)
    clip = bounds if mode == "purify" else None
    with np.errstate(invalid="ignore"):
        score = detector.score(tiny_models.seen(inputs, representation, clip))
    flagged = ~(score <= np.float32(threshold))
    logits = {
        "detect": free,
        "purify": purified,
        "detect-then-purify": np.where(flagged[:, None], purified, free),
    }[mode]
    return logits, score, flagged


# --- which nodes ---------------------------------------------------------------------------------


def test_insert_clips_puts_max_and_min_behind_every_marked_layer():
    model = tiny_models.marked_graph()
    raw = [value.name for value in marked_layers(model.graph)]
    rewrite(model, (InsertClips(tiny_models.intervals()),))
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


def test_insert_statistic_appends_and_leaves_the_network_alone():
    model, _ = defended("detect", detector="nas")
    assert operators(model) == [
        *PLAIN,
        *["Gather", "Gather", "Concat"],
        *["Sub", "Abs", "LessOrEqual", "Cast", "ReduceMean", "Sub"],
        *["ReduceSum", "ReduceSum", "Add", "Sub", "Add"],
        *["LessOrEqual", "Not"],
    ]
    assert [value.name for value in model.graph.inputs] == [
        "input_ids",
        "attention_mask",
        "threshold",
    ]


def test_second_pass_moves_the_network_behind_its_first_layer_into_one_loop():
    clipped, _ = defended("purify")
    model, _ = defended("detect-then-purify")
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


def test_weights_are_in_the_outer_graph_once():
    model, _ = defended("detect-then-purify")
    [loop] = [node for node in model.graph if node.op_type == "Loop"]
    assert not loop.attributes["body"].as_graph().initializers
    plain = sum(
        v.const_value.nbytes for v in tiny_models.marked_graph().graph.initializers.values()
    )
    own = [v for k, v in model.graph.initializers.items() if not k.startswith("clampdown.")]
    assert sum(v.const_value.nbytes for v in own if v.name != "threshold") == plain


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize("representation", ["first", "last"])
def test_graph_passes_the_full_check_and_keeps_the_contract(mode, detector, representation):
    model, _ = defended(mode, detector=detector, representation=representation, threshold=1.5)
    proto = ir.to_proto(model)
    onnx.checker.check_model(proto, full_check=True)
    outputs = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in proto.graph.output
    }
    assert outputs == {"logits": ["batch", 3], "anomaly_score": ["batch"], "flagged": ["batch"]}
    assert model.graph.initializers["threshold"].const_value.numpy() == [1.5]
    names = [n.name for n in ir.traversal.RecursiveGraphIterator(model.graph)]
    assert len(set(names)) == len(names)


# --- what it computes ----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize("representation", ["first", "last"])
def test_outputs_equal_numpy(mode, detector, representation):
    model, of_run = defended(mode, detector=detector, representation=representation)
    session = tiny_models.session(model)
    both = set()
    for rows, tokens in ((1, 1), (6, 9), (33, 4)):
        inputs = tiny_models.batch(rows, tokens, seed=rows)
        threshold = middle_threshold(mode, of_run, inputs, representation)
        found = session.run(None, {**inputs, "threshold": np.array([threshold], np.float32)})
        logits, score, flagged = expected(mode, of_run, inputs, threshold, representation)
        # At the threshold itself rounding decides; there is at most one such row.
        clear = np.abs(score - threshold) > 1e-4
        np.testing.assert_array_equal(found[2][clear], flagged[clear])
        np.testing.assert_allclose(found[0][clear], logits[clear], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found[1], score, rtol=1e-4, atol=1e-4)
        both |= set(flagged.tolist())
    assert both == {True, False}


def test_clipping_changes_the_logits_it_is_compared_by():
    inputs = tiny_models.batch(8, 5)
    _, free = tiny_models.reference(inputs)
    _, purified = tiny_models.reference(inputs, tiny_models.intervals())
    assert np.abs(free - purified).max(axis=1).min() > 0.05


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_optimisation_gives_the_same(mode, level):
    model, of_run = defended(mode)
    inputs = tiny_models.batch(12, 5)
    # An optimiser that folds x - x to 0 would let what is not finite pass.
    inputs["input_ids"][0, 0] = tiny_models.INFINITE
    inputs["input_ids"][1, 0] = tiny_models.NOT_A_NUMBER
    found = tiny_models.session(model, level).run(None, inputs)
    logits, score, flagged = expected(mode, of_run, inputs, 0.0)
    np.testing.assert_allclose(found[0][2:], logits[2:], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1][2:], score[2:], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found[2][2:], flagged[2:])
    assert found[2][:2].all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize("word", [tiny_models.INFINITE, tiny_models.NOT_A_NUMBER])
@pytest.mark.parametrize("position", [0, 2])
def test_activation_that_is_not_finite_is_flagged_at_any_threshold(mode, detector, word, position):
    model, _ = defended(mode, detector=detector)
    inputs = tiny_models.batch(4, 6)
    inputs["input_ids"][2, position] = word
    feed = {**inputs, "threshold": np.array([np.inf], np.float32)}
    logits, score, flagged = tiny_models.session(model).run(None, feed)
    clipped_away = mode == "purify" and word == tiny_models.INFINITE and position > 0
    # Infinity behind the first token is clipped before the first token can see it.
    assert flagged.tolist() == [False, False, not clipped_away, False]
    assert np.isfinite(score).tolist() == [True, True, clipped_away, True]
    assert np.isfinite(logits[[0, 1, 3]]).all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("representation", ["first", "last"])
def test_row_does_not_depend_on_its_batch_or_padding(mode, representation):
    model, of_run = defended(mode, representation=representation)
    session = tiny_models.session(model)
    inputs = tiny_models.batch(6, 8, seed=4)
    threshold = middle_threshold(mode, of_run, inputs, representation)
    override = {"threshold": np.array([threshold], np.float32)}
    together = session.run(None, {**inputs, **override})
    for row, length in enumerate(inputs["attention_mask"].sum(axis=1)):
        alone = {name: array[row : row + 1, :length] for name, array in inputs.items()}
        wider = {name: np.pad(array, ((0, 0), (0, 5))) for name, array in alone.items()}
        for feed in (alone, wider):
            single = session.run(None, {**feed, **override})
            for of_batch, of_row in zip(together, single, strict=True):
                np.testing.assert_allclose(of_batch[row], of_row[0], rtol=1e-4, atol=1e-4)


def test_last_token_is_found_behind_padding_on_either_side():
    model, of_run = defended("detect", representation="last")
    session = tiny_models.session(model)
    ids = np.array([[5, 9, 3]])
    bare = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    left, right = (
        {name: np.pad(array, ((0, 0), width)) for name, array in bare.items()}
        for width in ((2, 0), (0, 2))
    )
    score = of_run.score(tiny_models.seen(right, "last"))
    for feed in (bare, right):
        np.testing.assert_allclose(session.run(["anomaly_score"], feed)[0], score, rtol=1e-4)
    np.testing.assert_allclose(
        session.run(["anomaly_score"], left)[0],
        of_run.score(tiny_models.seen(left, "last")),
        rtol=1e-4,
    )


@pytest.mark.parametrize("mode", MODES)
def test_threshold_can_be_overridden(mode):
    model, _ = defended(mode, threshold=-1e9)
    session = tiny_models.session(model)
    inputs = tiny_models.batch(5, 4)
    assert session.run(["flagged"], inputs)[0].all()
    for value, flagged in ((np.inf, False), (1e9, False), (-np.inf, True)):
        override = {"threshold": np.array([value], np.float32)}
        assert (session.run(["flagged"], {**inputs, **override})[0] == flagged).all()


def test_score_equal_to_the_threshold_is_not_flagged():
    model, _ = defended("detect", detector="nas")
    session = tiny_models.session(model)
    inputs = tiny_models.batch(5, 4)
    score = session.run(["anomaly_score"], inputs)[0]
    override = {"threshold": score[:1]}
    assert (session.run(["flagged"], {**inputs, **override})[0] == (score > score[0])).all()


# --- what is refused -----------------------------------------------------------------------------


def refused(passes, pattern, model=None):
    with pytest.raises(ExportError, match=pattern):
        rewrite(model or tiny_models.marked_graph(), passes)


def statistic():
    return InsertStatistic(fitted(), "first", 0.0)


def bounds(layers, width):
    return Intervals(np.zeros((layers, width), np.float32), np.ones((layers, width), np.float32))


def test_passes_that_do_not_fit_name_themselves_and_what_they_found():
    clips = InsertClips(tiny_models.intervals())
    refused((InsertClips(bounds(3, 6)),), "The pass InsertClips: .*2 layers are marked.* have 3")
    refused((InsertClips(bounds(2, 7)),), "The pass InsertClips: .*the intervals 7 neurons")
    refused((statistic(), statistic()), r"The pass InsertStatistic: .*'anomaly_score'")
    refused((clips, SecondPass()), r"The pass SecondPass: .*outputs are \['logits'\]")
    refused((statistic(), SecondPass()), "The pass SecondPass: .*no clips")
    refused((Undefend(),), "The pass Undefend: .*no threshold")


def test_statistic_needs_marked_layers():
    model = tiny_models.marked_graph()
    for value in marked_layers(model.graph):
        del value.metadata_props[LAYER]
    refused((statistic(),), "The pass InsertStatistic: .*no layer is marked", model)


def test_last_token_needs_the_attention_mask():
    model = tiny_models.marked_graph()
    model.graph.inputs[1].name = "mask"
    last = InsertStatistic(fitted(), "last", 0.0)
    refused((last,), "no input attention_mask", model)


# --- and back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("representation", ["first", "last"])
@pytest.mark.parametrize("saved", [False, True])
def test_undefend_is_the_inverse_of_every_mode(mode, representation, saved):
    original = tiny_models.marked_graph()
    model, _ = defended(mode, representation=representation)
    if saved:
        model = ir.from_proto(onnx.ModelProto.FromString(ir.to_proto(model).SerializeToString()))
    rewrite(model, (Undefend(),))
    assert operators(model) == operators(original) == PLAIN
    assert [*model.graph.initializers] == [*original.graph.initializers]
    # The shapes too, which the second pass hides from the optimiser.
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
    inputs = tiny_models.batch(5, 6)
    np.testing.assert_array_equal(
        tiny_models.session(model).run(None, inputs)[0],
        tiny_models.session(original).run(None, inputs)[0],
    )


def test_undefend_refuses_a_loop_without_logits():
    model, _ = defended("detect-then-purify")
    [loop] = [node for node in model.graph if node.op_type == "Loop"]
    for node in loop.attributes["body"].as_graph():
        node.metadata_props.clear()
    refused((Undefend(),), "The pass Undefend: .*collects no logits", model)
