"""The passes, on a graph made by hand: which nodes they insert, and what the result computes."""

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import tiny_models

from clampdown_calib.detectors import DETECTORS
from clampdown_calib.intervals import Intervals
from clampdown_calib.purified_logits import Suspicion, purified
from clampdown_exporter.passes.insert_clips import InsertClips
from clampdown_exporter.passes.insert_statistic import InsertStatistic
from clampdown_exporter.passes.insert_votes import InsertVotes, set_suspicion
from clampdown_exporter.passes.pipeline import passes_of, rewrite
from clampdown_exporter.passes.second_pass import SecondPass
from clampdown_exporter.passes.token_means import MEANS_ROLE
from clampdown_exporter.passes.undefend import Undefend
from clampdown_exporter.sites import LAYER, ROLE, marked_layers
from clampdown_runtime import ExportError

MODES = ("detect-then-purify", "purify", "detect")
WAYS = ("votes", "clip")
"""Where a purified prediction comes from."""

LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
FIRST_LAYER = ["Cast", "Unsqueeze", "Gather", "Mul", "Relu"]
SECOND_LAYER = ["Mul", "ReduceSum", "ReduceSum", "Div", "Add", "MatMul"]
HEAD = ["Gather", "MatMul"]
PLAIN = [*FIRST_LAYER, *SECOND_LAYER, *HEAD]
TOKENS = ["Gather", "Gather", "Concat"]
MEANS = ["Cast", "Unsqueeze", "MatMul", "MatMul", "Concat", "ReduceSum", "Div"]
VOTES = ["Slice", "Unsqueeze", "MatMul", "Add", "LogSoftmax", "ReduceLogSumExp", "Mul"]
NAS = ["Sub", "Abs", "LessOrEqual", "Cast", "ReduceMean", "Sub"]
FINITE = ["ReduceSum", "ReduceSum", "Add", "ReduceSum", "Add", "Sub", "Add"]
VERDICT = ["LessOrEqual", "Not"]
TAKEN_OFF = [
    "Sub",
    "Relu",
    "Mul",
    "Unsqueeze",
    "Mul",
    "Mul",
    "Add",
    "ArgMax",
    "Equal",
    "Cast",
    "Mul",
    "Sub",
]
SUSPICION = Suspicion(start=-0.5, slope=1.5)
"""Starts below the threshold of most tests: of some flagged rows' predictions much is taken off."""


def clip_of_run(mode, way):
    """The intervals into which the run is clipped that scores are taken from."""
    return tiny_models.intervals() if (mode, way) == ("purify", "clip") else None


def fitted(detector="fusion", representation="first", clip=None):
    """On clean rows of the run that its score will be taken from."""
    seen = tiny_models.seen(tiny_models.batch(200, 6, seed=3), representation, clip)
    return DETECTORS[detector].fit(seen)


def defended(mode, way, *, detector="fusion", representation="first", threshold=0.0):
    clip = clip_of_run(mode, way)
    of_run = fitted(detector, representation, clip)
    purifier = tiny_models.intervals() if way == "clip" else tiny_models.votes()
    model = tiny_models.marked_graph()
    readout = tiny_models.readout(clip)
    rewrite(model, passes_of(mode, readout, purifier, of_run, representation, threshold=threshold))
    set_suspicion(model.graph, SUSPICION)
    return model, of_run


def operators(model):
    """Those of the main graph, in order; those of a loop's body behind their loop."""
    found = []
    for node in model.graph:
        found.append(node.op_type)
        if node.op_type == "Loop":
            found.append([inner.op_type for inner in node.attributes["body"].as_graph()])
    return found


def middle_threshold(score):
    """Between two scores, so that about half of the rows are flagged."""
    score = np.sort(score)
    return float(score[len(score) // 2 - 1 : len(score) // 2 + 1].mean())


def expected(mode, way, detector, inputs, threshold=None, representation="first"):
    """Logits, score and verdict by NumPy alone; without a threshold, at the middle one."""
    _, free = tiny_models.reference(inputs)
    with np.errstate(invalid="ignore"):
        seen = tiny_models.seen(inputs, representation, clip_of_run(mode, way))
        score = detector.score(seen)
        if way == "clip":
            _, answer = tiny_models.reference(inputs, tiny_models.intervals())
        else:
            answer = purified(tiny_models.votes().logits(seen.pooled), free, score, SUSPICION)
    threshold = np.float32(middle_threshold(score) if threshold is None else threshold)
    flagged = ~(score <= threshold)
    logits = {
        "detect": free,
        "purify": answer,
        "detect-then-purify": np.where(flagged[:, None], answer, free),
    }[mode]
    return logits, score, flagged, np.array([threshold])


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
    model, _ = defended("detect", "clip", detector="nas")
    assert operators(model) == [
        *PLAIN,
        *TOKENS,
        *MEANS,
        *NAS,
        *FINITE,
        *VERDICT,
    ]
    assert [value.name for value in model.graph.inputs] == [
        "input_ids",
        "attention_mask",
        "threshold",
    ]


@pytest.mark.parametrize(
    ("mode", "more"),
    [
        ("detect-then-purify", [*VOTES, *TAKEN_OFF, "Unsqueeze", "Where"]),
        ("purify", [*VOTES, *TAKEN_OFF]),
        ("detect", []),
    ],
)
def test_insert_votes_appends_and_leaves_the_network_alone(mode, more):
    model, _ = defended(mode, "votes", detector="nas")
    assert operators(model) == [*PLAIN, *TOKENS, *MEANS, *NAS, *FINITE, *VERDICT, *more]


@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize("way", WAYS)
def test_graph_has_a_readout_only_where_its_detector_reads_one(detector, way):
    for mode in MODES:
        model, _ = defended(mode, way, detector=detector)
        nodes = ir.traversal.RecursiveGraphIterator(model.graph)
        found = [node for node in nodes if node.op_type == "Gemm"]
        assert len(found) == (detector == "fusion")


def test_second_pass_moves_the_network_behind_its_first_layer_into_one_loop():
    clipped, _ = defended("purify", "clip")
    model, _ = defended("detect-then-purify", "clip")
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


@pytest.mark.parametrize("detector", ["fusion", "nas"])
def test_votes_and_readout_share_the_token_means(detector):
    model, _ = defended("detect-then-purify", "votes", detector=detector)
    means = [node for node in model.graph if node.metadata_props.get(ROLE) == MEANS_ROLE]
    assert len(means) == 1


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
    assert len(loops) == (way == "clip")
    assert not any(loop.attributes["body"].as_graph().initializers for loop in loops)
    plain = sum(
        v.const_value.nbytes for v in tiny_models.marked_graph().graph.initializers.values()
    )
    own = [v for k, v in model.graph.initializers.items() if not k.startswith("clampdown.")]
    assert sum(v.const_value.nbytes for v in own if v.name != "threshold") == plain


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize("representation", ["first", "last"])
def test_graph_passes_the_full_check_and_keeps_the_contract(mode, way, detector, representation):
    model, _ = defended(mode, way, detector=detector, representation=representation, threshold=1.5)
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
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize("representation", ["first", "last"])
def test_outputs_equal_numpy(mode, way, detector, representation):
    model, of_run = defended(mode, way, detector=detector, representation=representation)
    session = tiny_models.session(model)
    both = set()
    for rows, tokens in ((1, 1), (6, 9), (33, 4)):
        inputs = tiny_models.batch(rows, tokens, seed=rows)
        logits, score, flagged, threshold = expected(
            mode, way, of_run, inputs, representation=representation
        )
        found = session.run(None, {**inputs, "threshold": threshold})
        # At the threshold itself rounding decides; there is at most one such row.
        clear = np.abs(score - threshold) > 1e-4
        np.testing.assert_array_equal(found[2][clear], flagged[clear])
        np.testing.assert_allclose(found[0][clear], logits[clear], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found[1], score, rtol=1e-4, atol=1e-4)
        both |= set(flagged.tolist())
    assert both == {True, False}


@pytest.mark.parametrize("way", WAYS)
def test_purification_changes_the_logits_it_is_compared_by(way):
    inputs = tiny_models.batch(8, 5)
    free, *_ = expected("detect", way, fitted(), inputs)
    answer, *_ = expected("purify", way, fitted(), inputs)
    assert np.abs(free - answer).max(axis=1).min() > 0.05


@pytest.mark.parametrize("representation", ["first", "last"])
def test_readout_leaves_the_logits_of_rows_that_are_not_flagged_bit_for_bit(representation):
    model, of_run = defended("detect-then-purify", "votes", representation=representation)
    inputs = tiny_models.batch(33, 7)
    session = tiny_models.session(model)
    own = tiny_models.session(tiny_models.marked_graph()).run(None, inputs)[0]
    *_, threshold = expected(
        "detect-then-purify", "votes", of_run, inputs, representation=representation
    )
    logits, _, flagged = session.run(None, {**inputs, "threshold": threshold})
    assert set(flagged.tolist()) == {True, False}
    np.testing.assert_array_equal(logits[~flagged], own[~flagged])
    every = session.run(None, {**inputs, "threshold": np.float32([np.inf])})[0]
    np.testing.assert_array_equal(every, own)


@pytest.mark.parametrize("mode", ["detect-then-purify", "purify"])
def test_nothing_is_taken_off_until_the_suspicion_is_set(mode):
    inputs = tiny_models.batch(12, 5)
    model, of_run = defended(mode, "votes")
    feed = {**inputs, "threshold": np.float32([-np.inf])}
    seen = tiny_models.seen(inputs)
    score = of_run.score(seen)
    votes = tiny_models.votes().logits(seen.pooled)
    for suspicion in (Suspicion.nothing(), SUSPICION):
        set_suspicion(model.graph, suspicion)
        # As it is once it was saved.
        data = ir.to_proto(model).SerializeToString()
        again = ir.from_proto(onnx.ModelProto.FromString(data))
        found = tiny_models.session(again).run(None, feed)[0]
        answer = purified(votes, seen.logits, score, suspicion)
        np.testing.assert_allclose(found, answer, rtol=1e-4, atol=1e-4)
    taken = purified(votes, seen.logits, score, Suspicion.nothing()) - answer
    assert taken.max() > 0.5
    assert taken.max(axis=1).min() == 0


def test_graph_that_answers_otherwise_has_no_suspicion_to_set():
    for mode, way in (("detect", "votes"), ("detect-then-purify", "clip")):
        model, _ = defended(mode, way)
        assert not [name for name in model.graph.initializers if "suspicion" in name]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_optimisation_gives_the_same(mode, way, level):
    model, of_run = defended(mode, way)
    inputs = tiny_models.batch(12, 5)
    # An optimiser that folds x - x to 0 would let what is not finite pass.
    inputs["input_ids"][0, 0] = tiny_models.INFINITE
    inputs["input_ids"][1, 0] = tiny_models.NOT_A_NUMBER
    found = tiny_models.session(model, level).run(None, inputs)
    logits, score, flagged, _ = expected(mode, way, of_run, inputs, 0.0)
    np.testing.assert_allclose(found[0][2:], logits[2:], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1][2:], score[2:], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found[2][2:], flagged[2:])
    assert found[2][:2].all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("detector", sorted(DETECTORS))
@pytest.mark.parametrize("word", [tiny_models.INFINITE, tiny_models.NOT_A_NUMBER])
@pytest.mark.parametrize("position", [0, 2])
def test_activation_that_is_not_finite_is_flagged_at_any_threshold(
    mode, way, detector, word, position
):
    model, _ = defended(mode, way, detector=detector)
    inputs = tiny_models.batch(4, 6)
    inputs["input_ids"][2, position] = word
    feed = {**inputs, "threshold": np.array([np.inf], np.float32)}
    logits, score, flagged = tiny_models.session(model).run(None, feed)
    assert flagged.tolist() == [False, False, True, False]
    assert np.isfinite(score).tolist() == [True, True, False, True]
    assert np.isfinite(logits[[0, 1, 3]]).all()


def test_token_mean_that_is_not_finite_is_flagged_though_nothing_else_sees_it():
    model = tiny_models.marked_graph()
    rewrite(model, (InsertClips(tiny_models.intervals()), statistic(detector="nas")))
    inputs = tiny_models.batch(4, 6)
    inputs["input_ids"][2, 2] = tiny_models.INFINITE
    feed = {**inputs, "threshold": np.float32([np.inf])}
    logits, _, flagged = tiny_models.session(model).run(None, feed)
    assert np.isfinite(logits).all()
    assert flagged.tolist() == [False, False, True, False]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("representation", ["first", "last"])
def test_row_does_not_depend_on_its_batch_or_padding(mode, way, representation):
    model, of_run = defended(mode, way, representation=representation)
    session = tiny_models.session(model)
    inputs = tiny_models.batch(6, 8, seed=4)
    *_, threshold = expected(mode, way, of_run, inputs, representation=representation)
    override = {"threshold": threshold}
    together = session.run(None, {**inputs, **override})
    for row, length in enumerate(inputs["attention_mask"].sum(axis=1)):
        alone = {name: array[row : row + 1, :length] for name, array in inputs.items()}
        wider = {name: np.pad(array, ((0, 0), (0, 5))) for name, array in alone.items()}
        for feed in (alone, wider):
            single = session.run(None, {**feed, **override})
            for of_batch, of_row in zip(together, single, strict=True):
                np.testing.assert_allclose(of_batch[row], of_row[0], rtol=1e-4, atol=1e-4)


def test_last_token_is_found_behind_padding_on_either_side():
    model, of_run = defended("detect", "votes", representation="last")
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
@pytest.mark.parametrize("way", WAYS)
def test_threshold_can_be_overridden(mode, way):
    model, _ = defended(mode, way, threshold=-1e9)
    session = tiny_models.session(model)
    inputs = tiny_models.batch(5, 4)
    assert session.run(["flagged"], inputs)[0].all()
    for value, flagged in ((np.inf, False), (1e9, False), (-np.inf, True)):
        override = {"threshold": np.array([value], np.float32)}
        assert (session.run(["flagged"], {**inputs, **override})[0] == flagged).all()


def test_score_equal_to_the_threshold_is_not_flagged():
    model, _ = defended("detect", "votes", detector="nas")
    session = tiny_models.session(model)
    inputs = tiny_models.batch(5, 4)
    score = session.run(["anomaly_score"], inputs)[0]
    override = {"threshold": score[:1]}
    assert (session.run(["flagged"], {**inputs, **override})[0] == (score > score[0])).all()


# --- what is refused -----------------------------------------------------------------------------


def refused(passes, pattern, model=None):
    with pytest.raises(ExportError, match=pattern):
        rewrite(model or tiny_models.marked_graph(), passes)


def statistic(detector="fusion"):
    return InsertStatistic(fitted(detector), tiny_models.readout(), "first", 0.0)


def bounds(layers, width):
    return Intervals(np.zeros((layers, width), np.float32), np.ones((layers, width), np.float32))


def test_passes_that_do_not_fit_name_themselves_and_what_they_found():
    clips = InsertClips(tiny_models.intervals())
    refused((InsertClips(bounds(3, 6)),), "The pass InsertClips: .*2 layers are marked.* have 3")
    refused((InsertClips(bounds(2, 7)),), "The pass InsertClips: .*the intervals 7 neurons")
    refused((statistic(), statistic()), r"The pass InsertStatistic: .*'anomaly_score'")
    refused((clips, SecondPass()), r"The pass SecondPass: .*outputs are \['logits'\]")
    refused((statistic(), SecondPass()), "The pass SecondPass: .*no clips")
    answers = InsertVotes(tiny_models.votes(), every_row=False)
    refused((answers,), r"The pass InsertVotes: .*outputs are \['logits'\]")
    refused((Undefend(),), "The pass Undefend: .*no threshold")


def test_statistic_needs_marked_layers():
    model = tiny_models.marked_graph()
    for value in marked_layers(model.graph):
        del value.metadata_props[LAYER]
    refused((statistic(),), "The pass InsertStatistic: .*no layer is marked", model)


@pytest.mark.parametrize("reader", ["last token", "token means"])
def test_what_tells_tokens_from_padding_needs_the_attention_mask(reader):
    model = tiny_models.marked_graph()
    model.graph.inputs[1].name = "mask"
    needs = statistic()
    if reader == "last token":
        needs = InsertStatistic(fitted("nas"), None, "last", 0.0)
    refused((needs,), "no input attention_mask", model)


# --- and back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("representation", ["first", "last"])
@pytest.mark.parametrize("saved", [False, True])
def test_undefend_is_the_inverse_of_every_mode(mode, way, representation, saved):
    original = tiny_models.marked_graph()
    model, _ = defended(mode, way, representation=representation)
    if saved:
        model = ir.from_proto(onnx.ModelProto.FromString(ir.to_proto(model).SerializeToString()))
    rewrite(model, (Undefend(),))
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
    inputs = tiny_models.batch(5, 6)
    np.testing.assert_array_equal(
        tiny_models.session(model).run(None, inputs)[0],
        tiny_models.session(original).run(None, inputs)[0],
    )


def test_undefend_refuses_a_loop_without_logits():
    model, _ = defended("detect-then-purify", "clip")
    [loop] = [node for node in model.graph if node.op_type == "Loop"]
    for node in loop.attributes["body"].as_graph():
        node.metadata_props.clear()
    refused((Undefend(),), "The pass Undefend: .*collects no logits", model)
