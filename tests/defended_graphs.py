"""The graph made by hand, defended in every mode, and what it has to compute."""

import numpy as np
import pytest
import tiny_graph

from clampdown_exporter.passes.insert_statistic import InsertStatistic
from clampdown_exporter.passes.pipeline import passes_of, rewrite
from clampdown_runtime import ExportError

MODES = ("detect-then-purify", "purify", "detect")
WAYS = ("probe", "badacts")
"""The methods: where a purified prediction comes from."""

LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")
FIRST_LAYER = ["Cast", "Unsqueeze", "Gather", "Mul", "Relu"]
SECOND_LAYER = ["Mul", "ReduceSum", "ReduceSum", "Div", "Add", "MatMul"]
HEAD = ["Gather", "MatMul"]
PLAIN = [*FIRST_LAYER, *SECOND_LAYER, *HEAD]
TOKENS = ["Gather", "Gather", "Concat"]
MEANS = ["Cast", "Unsqueeze", "MatMul", "Concat", "ReduceSum", "Div"]
PROBES = ["Unsqueeze", "MatMul", "Squeeze", "Add"]
CHOSEN = ["ArgMax", "Equal"]
MARGINS = ["Where", "ReduceSum", "Where", "ReduceMax", "Sub"]
EXCESS = ["Unsqueeze", *PROBES, "Concat", *CHOSEN, *MARGINS, "Gemm", "ReduceMax"]
NAS = ["Sub", "Abs", "LessOrEqual", "Cast", "ReduceMean", "Sub"]
FINITE = ["ReduceL1", "ReduceL1", "Add", "Sub", "Add"]
VERDICT = ["LessOrEqual", "Less", "And", "Not"]
MIXTURE = [
    *("Mul", "Add", "Where", "Gemm", "LogSoftmax", "Unsqueeze", "Add"),
    *("ReduceLogSumExp", "LogSoftmax"),
]


def clip_of_run(mode, way):
    """The intervals into which the run is clipped that scores are taken from."""
    return tiny_graph.intervals() if (mode, way) == ("purify", "badacts") else None


def fitted(way="probe", representation="first", clip=None):
    """On clean rows of the run that its score will be taken from."""
    seen = tiny_graph.seen(tiny_graph.batch(200, 6, seed=3), representation, clip)
    return tiny_graph.DETECTORS[{"probe": "excess", "badacts": "nas"}[way]].fit(seen)


def defended(mode, way, *, representation="first", threshold=0.0):
    of_run = fitted(way, representation, clip_of_run(mode, way))
    purifier = tiny_graph.intervals() if way == "badacts" else tiny_graph.answer()
    model = tiny_graph.marked_graph()
    rewrite(model, passes_of(mode, of_run, purifier, representation, threshold=threshold))
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
    _, free = tiny_graph.reference(inputs)
    with np.errstate(invalid="ignore"):
        seen = tiny_graph.seen(inputs, representation, clip_of_run(mode, way))
        score = detector.score(seen)
        if way == "badacts":
            _, answer = tiny_graph.reference(inputs, tiny_graph.intervals())
        else:
            probes = detector.probes.logits(seen.pooled)
            answer = tiny_graph.answer().logits(probes, detector.excess(free, probes), free)
    threshold = np.float32(middle_threshold(score) if threshold is None else threshold)
    flagged = ~(score <= threshold)
    logits = {
        "detect": free,
        "purify": answer,
        "detect-then-purify": np.where(flagged[:, None], answer, free),
    }[mode]
    return logits, score, flagged, np.array([threshold])


def refused(passes, pattern, model=None):
    with pytest.raises(ExportError, match=pattern):
        rewrite(model or tiny_graph.marked_graph(), passes)


def statistic(way="probe"):
    return InsertStatistic(fitted(way), "first", 0.0)
