"""A run that would not end is ended."""

import threading

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from clampdown_runtime import DefendedClassifier
from clampdown_runtime.errors import ClampdownError, ProviderError


@pytest.fixture
def endless(bundle_path, seal):
    """A bundle whose logits come out of a loop of many years."""
    path = bundle_path / "onnx" / "model.onnx"
    model = onnx.load(path)
    for node in model.graph.node:
        node.output[:] = ["first" if output == "logits" else output for output in node.output]
    names = ("trip", "before", "more")
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["before"], ["more"]),
            helper.make_node("Neg", ["value"], ["negated"]),
        ],
        "body",
        [
            helper.make_tensor_value_info(names[0], TensorProto.INT64, []),
            helper.make_tensor_value_info(names[1], TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info(names[2], TensorProto.BOOL, []),
            helper.make_tensor_value_info("negated", TensorProto.FLOAT, None),
        ],
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(2**62), "trips"))
    model.graph.node.append(helper.make_node("Loop", ["trips", "", "first"], ["logits"], body=body))
    onnx.save(model, path)
    seal(bundle_path)
    return bundle_path


def test_a_loop_without_an_end_is_ended(endless):
    classifier = DefendedClassifier.load(endless, time_limit=0.2)
    with pytest.raises(ProviderError, match="terminate flag"):
        classifier(["good"])


def test_within_the_limit_nothing_changes(pristine, classifier, texts):
    assert DefendedClassifier.load(pristine, time_limit=60)(texts) == classifier(texts)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_limit_that_is_none_is_refused(pristine, seconds):
    with pytest.raises(ClampdownError, match="time_limit"):
        DefendedClassifier.load(pristine, time_limit=seconds)


def test_a_graph_that_is_one_launch_has_no_limit(pristine):
    with pytest.raises(ProviderError, match="one launch that nothing ends"):
        DefendedClassifier.load(pristine, provider="cuda", cuda_graphs=True, time_limit=1)


@pytest.mark.parametrize("seconds", [float("inf"), 1e300])
def test_a_limit_that_is_never_reached_is_none(pristine, classifier, texts, seconds, capfd):
    assert DefendedClassifier.load(pristine, time_limit=seconds)(texts) == classifier(texts)
    assert capfd.readouterr() == ("", "")


def test_no_run_leaves_a_thread(pristine, texts):
    limited = DefendedClassifier.load(pristine, time_limit=3600)
    for _ in range(5):
        limited(texts)
    timers = [one for one in threading.enumerate() if isinstance(one, threading.Timer)]
    for timer in timers:
        # One that was cancelled ends when its turn comes.
        timer.join(30)
    assert not any(timer.is_alive() for timer in timers)
