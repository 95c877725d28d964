"""What a graph computes that the passes have rewritten, against NumPy."""

import numpy as np
import onnx_ir as ir
import pytest
import tiny_graph
from defended_graphs import (
    LEVELS,
    MODES,
    WAYS,
    clip_of_run,
    defended,
    expected,
    fitted,
    statistic,
)

from clampdown_calib.badacts.insert_clips import InsertClips
from clampdown_calib.detectors import ExcessDetector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.graphs.sites import mark_layers, marked_layers
from clampdown_calib.rows.clean_run import CleanRun
from clampdown_exporter.passes.pipeline import passes_of, rewrite


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("representation", ["first", "last"])
def test_outputs_equal_numpy(mode, way, representation):
    model, of_run = defended(mode, way, representation=representation)
    session = tiny_graph.session(model)
    both = set()
    for rows, tokens in ((1, 1), (6, 9), (33, 4)):
        inputs = tiny_graph.batch(rows, tokens, seed=rows)
        logits, score, flagged, threshold = expected(
            mode, way, of_run, inputs, representation=representation
        )
        found = session.run(None, {**inputs, "threshold": threshold})
        # At the threshold itself rounding decides; there is at most one such row.
        clear = np.abs(score - threshold) > 1e-4
        np.testing.assert_array_equal(found[2][clear], flagged[clear])
        np.testing.assert_allclose(found[0][clear], logits[clear], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found[1], score, rtol=1e-4, atol=1e-4)
        if way == "probe" and mode != "detect":
            own = tiny_graph.seen(inputs).logits
            np.testing.assert_allclose(found[3], own, rtol=1e-4, atol=1e-4)
        both |= set(flagged.tolist())
    assert both == {True, False}


@pytest.mark.parametrize("way", WAYS)
def test_purification_changes_the_logits_it_is_compared_by(way):
    inputs = tiny_graph.batch(8, 5)
    free, *_ = expected("detect", way, fitted(way), inputs)
    answer, *_ = expected("purify", way, fitted(way, clip=clip_of_run("purify", way)), inputs)
    assert np.abs(free - answer).max(axis=1).min() > 0.05


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("level", LEVELS)
def test_several_probes_equal_numpy(mode, level):
    """Of three layers: what goes into the first one is marked, too."""

    def run(inputs):
        layers, logits = tiny_graph.reference(inputs)
        words = tiny_graph.weights()["embedding"][inputs["input_ids"]]
        means = tiny_graph.token_means([words, *layers], inputs["attention_mask"])
        return CleanRun(means, means, logits, None)

    model, answer = tiny_graph.marked_graph(), tiny_graph.answer()
    first, last = marked_layers(model.graph)
    words = first.producer().inputs[0]
    words.type, words.shape = first.type, ir.Shape(first.shape)
    mark_layers([words, first, last])
    detector = ExcessDetector.fit(run(tiny_graph.batch(200, 6, seed=3)))
    rewrite(model, passes_of(mode, detector, answer, "first", threshold=0.0))

    inputs = tiny_graph.batch(12, 5)
    seen = run(inputs)
    probes = detector.probes.logits(seen.pooled)
    assert probes.shape == (12, 2, tiny_graph.CLASSES)
    excess = detector.excess(seen.logits, probes)
    # Now the one probe has the larger excess, now the other.
    apart = np.abs(excess[:, 0] - excess[:, 1]) > 0.1
    assert {*excess.argmax(axis=1)[apart]} == {0, 1}
    found = tiny_graph.session(model, level).run(None, inputs)
    np.testing.assert_allclose(found[1], excess.max(axis=1), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found[2], excess.max(axis=1) > 0)
    takes = {"detect-then-purify": excess.max(axis=1) > 0, "purify": True, "detect": False}[mode]
    mixed = answer.logits(probes, excess, seen.logits)
    logits = np.where(np.broadcast_to(takes, 12)[:, None], mixed, seen.logits)
    np.testing.assert_allclose(found[0], logits, rtol=1e-4, atol=1e-4)


def test_answer_leaves_the_logits_of_rows_that_are_not_flagged_bit_for_bit():
    model, of_run = defended("detect-then-purify", "probe")
    inputs = tiny_graph.batch(33, 7)
    session = tiny_graph.session(model)
    own = tiny_graph.session(tiny_graph.marked_graph()).run(None, inputs)[0]
    *_, threshold = expected("detect-then-purify", "probe", of_run, inputs)
    logits, _, flagged, raw = session.run(None, {**inputs, "threshold": threshold})
    assert set(flagged.tolist()) == {True, False}
    np.testing.assert_array_equal(logits[~flagged], own[~flagged])
    np.testing.assert_array_equal(raw, own)
    every = session.run(None, {**inputs, "threshold": np.float32([np.inf])})[0]
    np.testing.assert_array_equal(every, own)


@pytest.mark.parametrize("mode", ["detect-then-purify", "purify"])
def test_some_rows_get_the_probes_label_and_some_keep_the_models(mode):
    """What the comparisons with NumPy above need to see a wrong mixture."""
    inputs = tiny_graph.batch(33, 5)
    model, of_run = defended(mode, "probe")
    found = tiny_graph.session(model).run(None, {**inputs, "threshold": np.float32([-np.inf])})[0]
    seen = tiny_graph.seen(inputs)
    probed = of_run.probes.logits(seen.pooled)[:, 0].argmax(axis=1)
    own, answered = seen.logits.argmax(axis=1), found.argmax(axis=1)
    contradicted = probed != own
    assert (answered[contradicted] == probed[contradicted]).any()
    assert (answered[contradicted] == own[contradicted]).any()


@pytest.mark.parametrize("mode", ["detect-then-purify", "purify"])
def test_threshold_has_no_say_in_what_a_flagged_row_is_answered(mode):
    inputs = tiny_graph.batch(12, 5)
    answers = []
    for threshold in (-1e9, -1e3):
        model, _ = defended(mode, "probe", threshold=threshold)
        logits, _, flagged, _ = tiny_graph.session(model).run(None, inputs)
        assert flagged.all()
        answers.append(logits)
    np.testing.assert_array_equal(*answers)


def test_graph_that_answers_otherwise_holds_no_mixture():
    for mode, way in (("detect", "probe"), ("detect-then-purify", "badacts")):
        model, _ = defended(mode, way)
        assert not [name for name in model.graph.initializers if "answer" in name]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("level", LEVELS)
def test_far_excess_and_sure_probes_leave_the_answer_finite(mode, level):
    """The mixture is one of logarithms: no probability in it may become zero or infinite."""
    answer = Answer(log_odds=np.float32([300]), sharpness=np.float32([200]))
    detector = fitted()
    model = tiny_graph.marked_graph()
    rewrite(model, passes_of(mode, detector, answer, "first", threshold=-1e9))
    inputs = tiny_graph.batch(12, 5)
    seen = tiny_graph.seen(inputs)
    probes = detector.probes.logits(seen.pooled)
    mixed = answer.logits(probes, detector.excess(seen.logits, probes), seen.logits)
    logits = tiny_graph.session(model, level).run(None, inputs)[0]
    assert np.isfinite(logits).all()
    expected = seen.logits if mode == "detect" else mixed
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_optimisation_gives_the_same(mode, way, level):
    model, of_run = defended(mode, way)
    inputs = tiny_graph.batch(12, 5)
    # An optimiser that folds x - x to 0 would let what is not finite pass.
    inputs["input_ids"][0, 0] = tiny_graph.INFINITE
    inputs["input_ids"][1, 0] = tiny_graph.NOT_A_NUMBER
    found = tiny_graph.session(model, level).run(None, inputs)
    logits, score, flagged, _ = expected(mode, way, of_run, inputs, 0.0)
    np.testing.assert_allclose(found[0][2:], logits[2:], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1][2:], score[2:], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(found[2][2:], flagged[2:])
    assert found[2][:2].all()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("word", [tiny_graph.INFINITE, tiny_graph.NOT_A_NUMBER])
@pytest.mark.parametrize("position", [0, 2])
def test_activation_that_is_not_finite_is_flagged_at_any_threshold(mode, way, word, position):
    model, _ = defended(mode, way)
    inputs = tiny_graph.batch(4, 6)
    inputs["input_ids"][2, position] = word
    feed = {**inputs, "threshold": np.array([np.inf], np.float32)}
    logits, score, flagged, *_ = tiny_graph.session(model).run(None, feed)
    # What is clipped before the only token that is read is a number again.
    clipped = clip_of_run(mode, way) is not None and word == tiny_graph.INFINITE and position > 0
    assert flagged.tolist() == [False, False, not clipped, False]
    assert np.isfinite(score).tolist() == [True, True, clipped, True]
    numbers = [0, 1, 2, 3] if clipped else [0, 1, 3]
    assert np.isfinite(logits[numbers]).all()


def test_token_mean_that_is_not_finite_is_flagged_though_nothing_else_sees_it():
    model = tiny_graph.marked_graph()
    rewrite(model, (InsertClips(tiny_graph.intervals()), statistic()))
    inputs = tiny_graph.batch(4, 6)
    inputs["input_ids"][2, 2] = tiny_graph.INFINITE
    feed = {**inputs, "threshold": np.float32([np.inf])}
    logits, _, flagged = tiny_graph.session(model).run(None, feed)
    assert np.isfinite(logits).all()
    assert flagged.tolist() == [False, False, True, False]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("representation", ["first", "last"])
def test_row_does_not_depend_on_its_batch_or_padding(mode, way, representation):
    model, of_run = defended(mode, way, representation=representation)
    session = tiny_graph.session(model)
    inputs = tiny_graph.batch(6, 8, seed=4)
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
    model, of_run = defended("detect", "badacts", representation="last")
    session = tiny_graph.session(model)
    ids = np.array([[5, 9, 3]])
    bare = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    left, right = (
        {name: np.pad(array, ((0, 0), width)) for name, array in bare.items()}
        for width in ((2, 0), (0, 2))
    )
    score = of_run.score(tiny_graph.seen(right, "last"))
    for feed in (bare, right):
        np.testing.assert_allclose(session.run(["anomaly_score"], feed)[0], score, rtol=1e-4)
    np.testing.assert_allclose(
        session.run(["anomaly_score"], left)[0],
        of_run.score(tiny_graph.seen(left, "last")),
        rtol=1e-4,
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("way", WAYS)
def test_threshold_can_be_overridden(mode, way):
    model, _ = defended(mode, way, threshold=-1e9)
    session = tiny_graph.session(model)
    inputs = tiny_graph.batch(5, 4)
    assert session.run(["flagged"], inputs)[0].all()
    for value, flagged in ((np.inf, False), (1e9, False), (-np.inf, True)):
        override = {"threshold": np.array([value], np.float32)}
        assert (session.run(["flagged"], {**inputs, **override})[0] == flagged).all()


def test_score_equal_to_the_threshold_is_not_flagged():
    model, _ = defended("detect", "badacts")
    session = tiny_graph.session(model)
    inputs = tiny_graph.batch(5, 4)
    score = session.run(["anomaly_score"], inputs)[0]
    override = {"threshold": score[:1]}
    assert (session.run(["flagged"], {**inputs, **override})[0] == (score > score[0])).all()
