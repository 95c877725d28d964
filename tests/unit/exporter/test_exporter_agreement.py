"""No bundle is written of a graph that disagrees with its model, wherever it disagrees."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_graph

from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.badacts.nas import NasDetector
from clampdown_calib.detectors import ExcessDetector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.models.activations import Activations
from clampdown_calib.rows.clean_rows import EncodedRows
from clampdown_exporter import agreement
from clampdown_exporter.agreement import disagreement
from clampdown_runtime import ExportError, RawOutputs


class Reference:
    """The NumPy network, in the place of the torch model."""

    layer_names = ("one", "two")
    representation = "first"

    def activations(self, inputs, *, clip=None):
        hidden, logits = tiny_graph.reference(inputs, clip and Intervals(*clip))
        return Activations(logits, hidden)


class Lowered(Reference):
    """The same in the place of a lowered graph; its clips are a part of it."""

    def __init__(self, clip):
        self._clip = clip

    def activations(self, inputs):
        return super().activations(inputs, clip=self._clip and self._clip.bounds)


class Graph:
    """The same network, in the place of the exported graph; ``damage`` changes its outputs."""

    def __init__(self, mode, calibration, damage, precision):
        self.manifest = SimpleNamespace(mode=mode, precision=precision)
        self._calibration = calibration
        self._damage = damage
        self.answer = tiny_graph.answer()
        self.lengths = set()

    def run_ids(self, ids, *, threshold, type_ids=None):
        mode, bounds = self.manifest.mode, self._calibration.intervals
        purifies = mode == "purify" or (mode == "detect-then-purify" and threshold == -np.inf)
        inputs = tiny_graph.padded(ids)
        detector = self._calibration.reading(mode).detector
        self.lengths |= set(map(len, ids))
        seen = tiny_graph.seen(inputs, clip=bounds if mode == "purify" else None)
        score = detector.score(seen)
        _, logits = tiny_graph.reference(inputs, bounds if purifies else None)
        if purifies and bounds is None:
            probes = detector.probes.logits(seen.pooled)
            logits = self.answer.logits(probes, detector.excess(logits, probes), logits)
        outputs = RawOutputs(logits.copy(), score, np.zeros(len(ids), bool))
        self._damage(outputs, ids, purifies)
        return outputs


@pytest.fixture(params=["probe", "badacts", "badacts, lowered"])
def way(request):
    return request.param


@pytest.fixture
def compare(way, monkeypatch):
    """The comparison of a mode's graph, which is handed to ``change`` before."""
    lowered = way == "badacts, lowered"
    if not lowered:
        monkeypatch.setattr(agreement, "TorchClassifier", Reference)
    random = np.random.default_rng(0)
    ids = [random.integers(1, 30, length).tolist() for length in np.arange(200) % 30 + 1]
    bounds = None if way == "probe" else tiny_graph.intervals()
    answer = tiny_graph.answer() if way == "probe" else None
    detector = ExcessDetector if way == "probe" else NasDetector

    def compare(mode, damage=lambda *_: None, change=lambda graph: None, precision="fp32"):
        clip = bounds if mode == "purify" else None
        calibration = SimpleNamespace(
            intervals=bounds,
            answer=answer,
            reading=lambda _mode: SimpleNamespace(
                detector=detector.fit(tiny_graph.seen(tiny_graph.batch(100, 6), clip=clip))
            ),
        )
        graph = Graph(mode, calibration, damage, precision)
        change(graph)
        alone = {"batch_size": 1} if precision == "int8" else {}
        rows = EncodedRows(ids, None, tiny_graph.TOKENIZATION, **alone)
        reference, clipped = (Lowered(None), Lowered(bounds)) if lowered else (Reference(), None)
        difference = disagreement(graph, reference, calibration, rows, clipped=clipped)
        # Padding and truncation go wrong in the longest rows, so these are among the compared.
        assert {1, 30} <= graph.lengths
        return difference

    return compare


@pytest.mark.parametrize("mode", ["detect-then-purify", "purify", "detect"])
def test_graph_that_agrees(compare, mode):
    assert compare(mode) < 1e-5


def in_long_rows_only(outputs, ids, _purifies):
    if max(map(len, ids)) == 30:
        outputs.logits[0] += 0.1


def in_purified_logits_only(outputs, _ids, purifies):
    outputs.logits[:] += 0.1 * purifies


def in_scores_only(outputs, _ids, _purifies):
    outputs.anomaly_score[-1] += 0.1


def nan_on_one_side(outputs, _ids, _purifies):
    outputs.logits[0, 0] = np.nan


def infinite_score(outputs, _ids, _purifies):
    outputs.anomaly_score[0] = np.inf


@pytest.mark.parametrize(
    "damage",
    [
        in_long_rows_only,
        in_purified_logits_only,
        in_scores_only,
        nan_on_one_side,
        infinite_score,
    ],
)
@pytest.mark.parametrize("mode", ["detect-then-purify", "purify"])
def test_graph_that_disagrees(compare, mode, damage):
    with pytest.raises(ExportError, match="differ from the model's by"):
        compare(mode, damage)


def every(count, change):
    """Damage to every so many-th run of a flagged row."""
    runs = itertools.count(1)

    def damage(outputs, _ids, purifies):
        if purifies and next(runs) % count == 0:
            outputs.logits[0, 0] += change

    return damage


@pytest.mark.parametrize("way", ["badacts, lowered"], indirect=True)
def test_single_rows_of_int8_may_be_rounded_otherwise(compare):
    assert compare("detect-then-purify", every(10, 0.5), precision="int8") < 1e-5
    for damage in (every(1, 0.5), every(2, 0.5), every(10, np.nan)):
        with pytest.raises(ExportError, match="differ from the model's by"):
            compare("detect-then-purify", damage, precision="int8")


@pytest.mark.parametrize("mode", ["detect-then-purify", "purify"])
@pytest.mark.parametrize("way", ["probe"], indirect=True)
@pytest.mark.parametrize("fact", ["log_odds", "sharpness"])
def test_graph_with_another_answer_disagrees(compare, mode, fact):
    def change(graph):
        facts = graph.answer.tensors()
        graph.answer = Answer(**{**facts, fact: facts[fact] + np.float32(0.1)})

    with pytest.raises(ExportError, match="differ from the model's by"):
        compare(mode, change=change)
