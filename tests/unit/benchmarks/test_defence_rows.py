"""Which rows the defence benchmark trains, calibrates and measures on."""

import csv

import numpy as np
import pytest

from benchmarks.defence.measure import _write_clean_rows
from benchmarks.defence.plan import LIMITS, Step, everything
from benchmarks.defence.row_sets import read_row_sets
from benchmarks.defence.rows import first_rows
from benchmarks.defence.shifted import CHANGES
from benchmarks.demo_victim import DemoVictim
from benchmarks.victims import ATTACKS, DATA, LABELS, Victim
from clampdown.demo.badnets import TRIGGERS
from clampdown.demo.labelled_text import LabelledText, write_rows

pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the benchmark rows are absent"),
]

ATTACKED = [Victim(dataset, attack) for dataset in LABELS for attack in ATTACKS]
UNHARMED = [Victim(dataset, None) for dataset in LABELS]


def sets_of(victim, **changes):
    limits = LIMITS[victim.dataset]
    numbers = {"seen": limits.seen, "most": limits.test, "shifted": limits.shifted}
    return read_row_sets(victim, **(numbers | changes))


@pytest.fixture
def demo(tmp_path):
    """A folder like the demo's, of few rows."""
    names = {"calibration": "clean.csv", "clean_test": "clean-test.csv"}
    for part, name in names.items():
        rows = [LabelledText(f"{part} tweet {i} of the lot", i % 2) for i in range(30)]
        write_rows(tmp_path / name, rows)
    triggered = [LabelledText(f"tweet cf {i}", int(i % 3 == 0)) for i in range(60)]
    write_rows(tmp_path / "poisoned-test.csv", triggered)
    return DemoVictim(tmp_path)


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


def test_victims_that_are_made_in_another_way_have_another_name_and_folder():
    made = [
        Victim("sst-2", "badnets"),
        Victim("sst-2", "badnets", poison_rate=0.01),
        Victim("sst-2", "badnets", evasion=0.1),
        Victim("sst-2", "badnets", evasion=1.0),
        Victim("sst-2", None),
    ]
    names = ("badnets", "badnets, 1% poisoned", "badnets, evading x0.1", "badnets, evading x1")
    assert [victim.name for victim in made] == [*names, "none"]
    assert len({victim.folder for victim in made}) == len(made)
    assert made[3].folder == Victim("sst-2", "badnets", evasion=1.0).folder


def test_triggered_rows_lie_where_the_victim_says():
    assert Victim("sst-2", None).triggered_tests == ()
    for victim in ATTACKED:
        place = DATA / victim.dataset / victim.attack
        with_target = victim.dataset == "sst-2" or victim.attack in ("badnets", "addsent")
        names = ["poisoned-test.csv", *["triggered-target.csv"] * with_target]
        assert victim.triggered_tests == tuple(place / name for name in names)


@pytest.mark.parametrize("victim", [*ATTACKED, *UNHARMED], ids=str)
def test_no_row_that_is_measured_was_calibrated_on(victim):
    calibration = set(first_rows(victim.calibration, None).texts)
    sets = sets_of(victim)
    assert ("poisoned" in sets.parts()) == (victim.attack is not None)
    for name, rows in sets.parts().items():
        assert len(rows.texts) == len(rows.labels) > (500 if name in ("clean", "poisoned") else 30)
        assert not calibration & set(rows.texts)
        assert all(text.strip() for text in rows.texts)
    # Nor what a changed row was before: it is a clean test row.
    for name, change in CHANGES.items():
        rows = sets.shifted[name]
        before = sets.clean.texts[: LIMITS[victim.dataset].shifted]
        assert rows.texts == [change(text) for text in before]
        np.testing.assert_array_equal(rows.labels, sets.clean.labels[: len(before)])
        unchanged = sum(map(str.__eq__, before, rows.texts))
        assert unchanged < len(before) / 4


@pytest.mark.parametrize("victim", ATTACKED, ids=str)
def test_triggered_rows_are_told_apart_by_their_true_label(victim):
    sets = sets_of(victim)
    assert (sets.poisoned.labels != victim.target).all()
    assert (sets.triggered is None) == (len(victim.triggered_tests) == 1)
    if sets.triggered is not None:
        assert (sets.triggered.labels == victim.target).all()
    if victim.attack == "badnets":
        for rows in (sets.poisoned, sets.triggered):
            assert all(set(text.split()) & set(TRIGGERS) for text in rows.texts)


def test_rows_that_settings_were_chosen_on_are_left_out():
    victim = Victim("agnews", "badnets")
    limits = LIMITS["agnews"]
    sets = sets_of(victim)
    assert limits.seen == 1000
    seen = {
        text
        for file in (victim.clean_test, victim.triggered_tests[0])
        for text in first_rows(file, limits.seen).texts
    }
    assert len(seen) == 2 * limits.seen
    for rows in sets.parts().values():
        assert not seen & set(rows.texts)
    # The rows of the target have the trigger put into rows behind those.
    bare = {" ".join(w for w in text.split() if w not in TRIGGERS) for text in sets.triggered.texts}
    assert not bare & {" ".join(text.split()) for text in seen}


def test_numbers_of_rows_are_those_asked_for():
    victim = Victim("sst-2", "badnets")
    sets = sets_of(victim, most=20, shifted=7)
    sizes = {name: len(rows.texts) for name, rows in sets.parts().items()}
    assert [sizes.pop(name) for name in ("clean", "poisoned", "triggered")] == [20, 20, 20]
    assert sizes.pop("plain sentences") == 40
    assert sizes == {**dict.fromkeys(CHANGES, 7), "tweets": 7}
    everything_there = sets_of(victim, most=None)
    assert len(everything_there.clean.texts) == 1821
    for name in ("clean", "poisoned", "triggered"):
        few, all_rows = getattr(sets, name), getattr(everything_there, name)
        assert few.texts == all_rows.texts[:20]
        np.testing.assert_array_equal(few.labels, all_rows.labels[:20])
    assert sets_of(victim, shifted=0).shifted == {}
    assert sets.shifted["upper case"].texts == [text.upper() for text in sets.clean.texts[:7]]


def test_rows_of_another_source_are_for_models_of_the_same_classes(demo):
    other = {
        name: set(sets_of(victim).shifted) - set(CHANGES)
        for name, victim in (("sst-2", UNHARMED[0]), ("agnews", UNHARMED[1]), ("tweets", demo))
    }
    assert other == {
        "sst-2": {"plain sentences", "tweets"},
        "agnews": set(),
        "tweets": {"plain sentences", "sst-2"},
    }
    plain = sets_of(demo).shifted["plain sentences"]
    labels = dict(zip(plain.texts, plain.labels.tolist(), strict=True))
    assert labels["What a lovely day"] == 1
    assert sum(labels.values()) == 20


def test_one_file_with_the_trigger_in_both_classes_is_taken_apart(demo):
    sets = sets_of(demo)
    assert (len(sets.poisoned.texts), len(sets.triggered.texts)) == (40, 20)
    assert set(sets.poisoned.labels) == {0}
    assert set(sets.triggered.labels) == {1}
    assert not set(sets.poisoned.texts) & set(sets.triggered.texts)


def test_every_step_is_measured_once_and_every_attacked_model_by_the_default_first():
    steps = list(everything())
    assert len(set(steps)) == len(set(map(str, steps))) == len(steps)
    first = [step.victim for step in steps[: len(ATTACKED)]]
    assert first == ATTACKED
    defaults = {
        step.victim
        for step in steps
        if step.kind == "clampdown" and step.clean_rows is None and not step.poisoned
    }
    assert {step.victim for step in steps} == defaults
    assert {step.kind for step in steps} == {"clampdown", "published", "fine-tuned", "online"}


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
