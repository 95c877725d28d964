"""Alarms on simulated traffic, with a calibration drawn anew for each stream."""

import dataclasses

import numpy as np
import pytest
from monitor_samples import attacked, calibrated, periods, scores

from clampdown_runtime import ClampdownError
from clampdown_runtime.monitor import Drift, Snapshot, judge

STREAMS = 100


def streams(count=STREAMS):
    return (np.random.default_rng(seed) for seed in range(count))


def first_alarm(scale, stream):
    """Rows seen by then, or None; and the last verdict."""
    drift, seen, first = Drift(), 0, None
    for period in periods(scale, stream):
        seen += sum(period.rows)
        verdict = drift.look(period)
        if verdict.alarm and first is None:
            first = seen
    return first, verdict


def test_clean_streams_give_no_alarm():
    alarms = sum(
        first_alarm(calibrated(random), scores(random, 5000))[0] is not None for random in streams()
    )
    assert alarms <= 0.05 * STREAMS


def test_an_attack_is_seen_within_two_hundred_triggered_rows():
    seen, named = [], []
    for random in streams(40):
        stream, triggered = attacked(random, 10000, 0.02)
        first, verdict = first_alarm(calibrated(random), stream)
        seen.append(triggered[:first].sum() if first else np.inf)
        named.append(verdict.change)
    assert np.mean(np.array(seen) <= 200) >= 0.9
    assert named.count("scores") <= 2


def test_scores_that_move_are_told_from_an_attack():
    named = [
        first_alarm(calibrated(random), scores(random, 5000, shift=shift))[1].change
        for shift in (0.4, -0.4)
        for random in streams(20)
    ]
    assert named.count("scores") >= 0.9 * len(named)


def test_a_large_attack_does_not_pass_for_scores_that_move():
    named = [
        first_alarm(calibrated(random), attacked(random, 4000, 0.3)[0])[1].change
        for random in streams(5)
    ]
    assert named == ["flags"] * 5


def test_a_late_attack_is_dated():
    random = np.random.default_rng(3)
    clean, (attack, triggered) = scores(random, 20000), attacked(random, 8000, 0.03)
    # The model gives the attacker's rows one label, the others either.
    labels = np.concatenate([np.arange(20000) % 2, np.where(triggered, 1, np.arange(8000) % 2)])
    verdict = judge(periods(calibrated(random), np.concatenate([clean, attack]), labels=labels))
    assert verdict.change == "flags"
    assert 19600 <= verdict.since <= 20600
    assert verdict.concentration.label == "positive"
    assert verdict.concentration.share > 0.9
    assert verdict.concentration.p_value < 1e-6
    assert "of the label 'positive'" in verdict.advice


def test_no_label_is_named_where_none_stands_out():
    random = np.random.default_rng(3)
    stream, _ = attacked(random, 8000, 0.05)
    verdict = judge(periods(calibrated(random), stream))
    assert verdict.change == "flags"
    assert verdict.concentration.p_value > 0.01
    assert verdict.label is None
    assert "no label stands out" in verdict.advice


def test_an_alarm_stays_when_the_traffic_is_clean_again():
    random = np.random.default_rng(0)
    scale = calibrated(random)
    drift = Drift()
    for period in periods(scale, attacked(random, 1000, 0.06)[0]):
        verdict = drift.look(period)
    assert verdict.change == "flags"
    # So many that the bets which won have lost it all again.
    for period in periods(scale, scores(random, 400000), size=20000):
        verdict = drift.look(period)
    assert verdict.change == "flags"


def test_rows_that_are_not_finite_count_as_high():
    random = np.random.default_rng(0)
    stream = scores(random, 1000)
    stream[::10] = np.nan
    assert judge(periods(calibrated(random), stream)).change == "flags"


@pytest.mark.parametrize("rows", [20, 1])
def test_few_clean_rows_give_no_alarm_of_their_own(rows):
    random = np.random.default_rng(0)
    scale = calibrated(random, rows, frr=0.5)
    assert judge(periods(scale, scores(random, 5000))).change == "none"


def test_of_no_period_nothing_can_be_said():
    with pytest.raises(ClampdownError, match="The periods: found none"):
        judge([])
    with pytest.raises(ClampdownError, match="false alarms: found 0"):
        Drift(false_alarms=0)


def test_periods_of_two_bundles_are_refused():
    random = np.random.default_rng(0)
    one = Snapshot.nothing("sha256:0", ("a", "b"), calibrated(random))
    with pytest.raises(ClampdownError, match="two bundles"):
        judge([one, dataclasses.replace(one, bundle="sha256:1")])
