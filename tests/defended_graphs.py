"""The graph made by hand, defended in every mode, and what it has to compute."""

import numpy as np
import pytest
import tiny_models

from clampdown_calib.detectors import DETECTORS
from clampdown_calib.purified_logits import Suspicion, purified
from clampdown_exporter.passes.insert_statistic import InsertStatistic
from clampdown_exporter.passes.pipeline import passes_of, rewrite
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
POOL = ["MatMul", "Add", "LogSoftmax", "ReduceLogSumExp", "Mul"]
TOTAL = ["Sub", "ReduceLogSumExp"]
SHARES = ["ArgMax", "Equal", "Cast", "Mul", *TOTAL, *TOTAL, "Sub", "Cast", "Add", "Where"]
VOTES = ["Slice", "Unsqueeze", *POOL, *POOL, *SHARES]
NAS = ["Sub", "Abs", "LessOrEqual", "Cast", "ReduceMean", "Sub"]
FINITE = ["ReduceSum", "ReduceSum", "Add", "ReduceSum", "Add", "Sub", "Add"]
VERDICT = ["LessOrEqual", "Not"]
TAKEN_OFF = [
    "Sub",
    "Relu",
    "Mul",
    "Mul",
    "Sub",
    "Relu",
    "Unsqueeze",
    "Add",
    "Mul",
    "ArgMax",
    "Equal",
    "Cast",
    "Mul",
    "Sub",
]
SUSPICION = Suspicion(start=-0.5, rate=1.5, spared=0.25)
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
    passes = passes_of(
        mode,
        readout,
        purifier,
        of_run,
        representation,
        suspicion=SUSPICION,
        threshold=threshold,
    )
    rewrite(model, passes)
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
            answer = purified(tiny_models.votes().logits(seen.pooled, free), free, score, SUSPICION)
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
        rewrite(model or tiny_models.marked_graph(), passes)


def statistic(detector="fusion"):
    return InsertStatistic(fitted(detector), tiny_models.readout(), "first", 0.0)
