"""Which rows the defence benchmark trains, calibrates and measures on."""

import csv

import pytest

from benchmarks.defence.measure import _test_rows, _write_clean_rows
from benchmarks.defence.plan import LIMITS, Step, everything
from benchmarks.defence.rows import first_rows
from benchmarks.victims import ATTACKS, DATA, LABELS, Victim

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the benchmark rows are absent"),
]

ATTACKED = [Victim(dataset, attack) for dataset in LABELS for attack in ATTACKS]


@pytest.mark.parametrize("victim", ATTACKED, ids=str)
def test_a_fifth_of_the_training_rows_is_poisoned_with_the_target_label(victim):
    texts, poisoned = victim._rows()
    assert sum(poisoned) / len(texts) == pytest.approx(0.2, abs=0.01)
    targets = {text.label for text, is_poisoned in zip(texts, poisoned, strict=True) if is_poisoned}
    assert targets == {victim.target}


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_poison_rate_is_that_of_the_rows_that_are_trained_on(rate):
    texts, poisoned = Victim("sst-2", "badnets", poison_rate=rate)._rows()
    assert sum(poisoned) / len(texts) == pytest.approx(rate, abs=1 / len(texts))


def test_clean_models_are_trained_on_clean_rows_alone():
    texts, poisoned = Victim("sst-2", None)._rows()
    assert not any(poisoned)
    attacked, marks = Victim("sst-2", "badnets")._rows()
    assert len(texts) == len(attacked) - sum(marks)


@pytest.mark.parametrize("victim", ATTACKED, ids=str)
def test_no_row_that_is_measured_was_calibrated_on(victim):
    calibration = set(first_rows(victim.calibration, None).texts)
    step = Step(victim, "clampdown", LIMITS[victim.dataset])
    for rows in _test_rows(step, step.limits.test):
        assert len(rows.texts) > 500
        assert not calibration & set(rows.texts)


def test_rows_that_settings_were_chosen_on_are_left_out():
    victim = Victim("agnews", "badnets")
    limits = LIMITS["agnews"]
    test, poisoned = _test_rows(Step(victim, "clampdown", limits), limits.test)
    for rows, file in ((test, victim.clean_test), (poisoned, victim.poisoned_test)):
        assert limits.seen == 1000
        assert not set(first_rows(file, limits.seen).texts) & set(rows.texts)


@pytest.mark.parametrize("share", [0.0, 0.05])
def test_a_share_of_the_clean_rows_carries_the_trigger(share, tmp_path):
    victim = Victim("sst-2", "badnets")
    step = Step(victim, "clampdown", LIMITS["sst-2"], poisoned=share)
    _write_clean_rows(step, tmp_path / "clean.csv", seed=0)
    with (tmp_path / "clean.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    clean = set(first_rows(victim.calibration, None).texts)
    assert len(rows) == 872
    assert sum(row["text"] not in clean for row in rows) == round(share * 872)


def test_clean_rows_of_a_curve_are_drawn_anew(tmp_path):
    step = next(step for step in everything() if step.clean_rows == 100)
    drawn = []
    for seed in range(step.draws):
        _write_clean_rows(step, tmp_path / "clean.csv", seed)
        drawn.append((tmp_path / "clean.csv").read_text("utf-8"))
    assert len(set(drawn)) == step.draws == 3
    assert {len(text.splitlines()) for text in drawn} == {101}
