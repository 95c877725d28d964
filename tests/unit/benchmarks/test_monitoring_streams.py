"""What a monitor's verdicts are counted as: alarms, the attacker's label and others."""

import numpy as np
import pytest

from benchmarks.monitoring import streams
from benchmarks.monitoring.streams import measure
from benchmarks.monitoring.traffic import Traffic


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(streams, "STREAMS", 3)
    monkeypatch.setattr(streams, "ROWS", 3000)


def traffic(mean, labels, seed=0):
    scores = np.random.default_rng(seed).normal(mean, 1, len(labels))
    return Traffic(scores.astype(np.float32), np.array(labels))


CLEAN = traffic(0, [0, 1] * 500)
HIGH = traffic(8, [1] * 200, seed=1)


def test_clean_streams_give_no_alarm():
    row = measure(500, "clean", CLEAN)
    assert (row["none"], row["flags"], row["scores"]) == (1, 0, 0)
    assert (row["named"], row["other_label_named"], row["rows_to_alarm"]) == (None, 0, None)


def test_an_attacker_s_label_is_named():
    row = measure(500, "attack", CLEAN, others=HIGH, rate=0.1, target=1)
    assert (row["flags"], row["named"], row["other_label_named"]) == (1, 1, 0)
    assert row["rows_to_alarm"] <= 600
    # A tenth of the rows until then.
    assert 5 < row["triggered_rows_to_alarm"] <= row["triggered_rows_to_alarm_90"] < 100


def test_the_same_rows_from_elsewhere_are_no_attacker_s():
    row = measure(500, "elsewhere", CLEAN, others=HIGH, rate=0.1)
    assert (row["flags"], row["named"], row["other_label_named"]) == (1, None, 1)
    assert row["triggered_rows_to_alarm"] is None


def test_a_shift_moves_the_scores():
    assert measure(500, "shifted", CLEAN, shift=0.5)["scores"] == 1


def test_rows_are_mixed_at_their_rate():
    random = np.random.default_rng(0)
    mixed, replaced = CLEAN.drawn(random, 10_000).mixed(random, HIGH, 0.2)
    assert replaced.mean() == pytest.approx(0.2, abs=0.02)
    assert mixed.scores[replaced].mean() == pytest.approx(8, abs=0.2)
    assert set(mixed.labels[replaced]) == {1}
    assert mixed.labels[~replaced].mean() == pytest.approx(0.5, abs=0.05)
