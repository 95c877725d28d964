"""No bundle is written of a graph that disagrees with its model, wherever it disagrees."""

from types import SimpleNamespace

import numpy as np
import pytest
import tiny_models

from clampdown_calib.activations import Activations
from clampdown_calib.clean_rows import EncodedRows
from clampdown_calib.detectors import FusionDetector
from clampdown_calib.tokenization import Tokenization
from clampdown_exporter import agreement
from clampdown_exporter.agreement import largest_difference
from clampdown_runtime import ExportError, Padding, RawOutputs

TOKENIZATION = Tokenization("", "", ("input_ids", "attention_mask"), 64, Padding("right", 0, 0))


class Reference:
    """The NumPy network, in the place of the torch model."""

    layer_names = ("one", "two")
    representation = "first"

    def activations(self, inputs, *, clip=None):
        hidden, logits = tiny_models.reference(inputs, clip)
        return Activations(logits, hidden)


class Graph:
    """The same network, in the place of the exported graph; ``damage`` changes its outputs."""

    def __init__(self, mode, detector, damage=lambda outputs, ids, purified: None):
        self.manifest = SimpleNamespace(mode=mode)
        self._detector = detector
        self._damage = damage
        self.lengths = set()

    def run_ids(self, ids, *, threshold):
        purified = threshold == -np.inf and self.manifest.mode != "detect"
        rows = len(ids)
        width = max(map(len, ids))
        inputs = {name: np.zeros((rows, width), np.int64) for name in TOKENIZATION.inputs}
        for row, tokens in enumerate(ids):
            inputs["input_ids"][row, : len(tokens)] = tokens
            inputs["attention_mask"][row, : len(tokens)] = 1
            self.lengths.add(len(tokens))
        always = tiny_models.intervals() if self.manifest.mode == "purify" else None
        score = self._detector.score(tiny_models.seen(inputs, clip=always))
        clip = tiny_models.intervals() if purified else always
        _, logits = tiny_models.reference(inputs, clip)
        outputs = RawOutputs(logits.copy(), score, np.zeros(rows, bool))
        self._damage(outputs, ids, purified)
        return outputs


@pytest.fixture
def setting(monkeypatch):
    monkeypatch.setattr(agreement, "TorchClassifier", Reference)
    random = np.random.default_rng(0)
    ids = [random.integers(1, 30, length).tolist() for length in np.arange(200) % 30 + 1]
    detector = FusionDetector.fit(lambda: [tiny_models.seen(tiny_models.batch(100, 6))])
    return SimpleNamespace(
        detector=detector,
        calibration=SimpleNamespace(intervals=tiny_models.intervals()),
        rows=EncodedRows(ids, None, TOKENIZATION),
    )


def compare(setting, graph):
    return largest_difference(
        graph, Reference(), setting.calibration, setting.detector, setting.rows
    )


@pytest.mark.parametrize("mode", ["detect-then-purify", "purify", "detect"])
def test_graph_that_agrees(setting, mode):
    graph = Graph(mode, setting.detector)
    assert compare(setting, graph) < 1e-5
    # Padding and truncation go wrong in the longest rows, so these are among the rows compared.
    assert {1, 30} <= graph.lengths


def in_long_rows_only(outputs, ids, _purified):
    if max(map(len, ids)) == 30:
        outputs.logits[0] += 0.1


def in_purified_logits_only(outputs, _ids, purified):
    outputs.logits[:] += 0.1 * purified


def in_scores_only(outputs, _ids, _purified):
    outputs.anomaly_score[-1] += 0.1


def nan_on_one_side(outputs, _ids, _purified):
    outputs.logits[0, 0] = np.nan


def infinite_score(outputs, _ids, _purified):
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
def test_graph_that_disagrees(setting, damage):
    with pytest.raises(ExportError, match="differ from the model's by"):
        compare(setting, Graph("detect-then-purify", setting.detector, damage))


def test_what_is_not_finite_on_both_sides_agrees():
    odd = np.array([np.nan, np.inf, 1], np.float32)
    assert agreement._difference(odd, odd) == 0
    assert agreement._difference(odd, np.array([np.nan, 2, 1], np.float32)) == np.inf


def test_difference_is_relative_to_the_larger_of_the_value_and_1():
    expected = np.array([1000, 0.001], np.float32)
    found = np.array([1001, 0.001], np.float32)
    assert agreement._difference(found, expected) == pytest.approx(1e-3)
    assert agreement._difference(expected + np.float32([0, 0.5]), expected) == pytest.approx(0.5)
