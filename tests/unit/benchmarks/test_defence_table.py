"""What the table of the defence benchmark makes of its rows."""

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.defence import cache
from benchmarks.defence.exported import Fitted
from benchmarks.defence.measure import FRR, _mean
from benchmarks.defence.outcome import Answers
from benchmarks.defence.plan import QUICK, Step
from benchmarks.defence.table import AVERAGED, _means, _shifted
from benchmarks.demo_victim import DemoVictim


def row(attack, defence="ours", **changes):
    about = {"dataset": "sst-2", "attack": attack, "defence": defence, "mode": "detect"}
    nested = {"shifted": {"loud": [90.0, 80.0]}, "flips": [1, 2], "tpr": None}
    return {**about, **dict.fromkeys(AVERAGED), **nested, "cacc": 90.0, **changes}


def test_means_are_of_one_defence_over_the_plain_attacks_that_took():
    rows = [
        row("badnets", pacc=10.0, bpacc=40.0),
        row("addsent", pacc=20.0, cacc=80.0, shifted_loss=-1.5),
        row("stylebkd", pacc=90.0),
        row("badnets, 5% poisoned", pacc=90.0),
        row("none", cacc=0.0),
        # A victim of other rows has a line of its own.
        row("badnets", dataset="tweets", pacc=90.0),
        row("badnets", "theirs", pacc=1.0),
    ]
    ours, theirs = _means(rows, failed={("sst-2", "stylebkd")})
    assert (ours["dataset"], ours["attack"], ours["defence"]) == ("mean", "2 victims", "ours")
    assert (ours["pacc"], ours["cacc"], ours["auroc"]) == (15.0, 85.0, None)
    # Where a figure is not of every victim, of those that have it.
    assert (ours["bpacc"], ours["shifted_loss"]) == (40.0, -1.5)
    assert ours["shifted"] is ours["flips"] is ours["tpr"] is None
    assert (theirs["attack"], theirs["pacc"]) == ("1 victims", 1.0)
    assert set(ours) == set(rows[0])


def test_modes_are_averaged_apart():
    rows = [row("badnets", pacc=10.0), row("badnets", pacc=30.0, mode="purify")]
    assert [mean["pacc"] for mean in _means(rows, set())] == [10.0, 30.0]


def test_the_default_has_a_line_on_shifted_rows():
    name = f"Clampdown, FRR {FRR}"
    shifted = {"loud": [90.0, 80.5], "short": [70.0, 71.0]}
    chosen = {"mode": "detect-then-purify", "shifted": shifted, "flips": [4, 6]}
    rows = [row("badnets", name, **chosen), row("badnets", name), row("badnets", **chosen)]
    assert list(_shifted(rows)) == [
        "sst-2, badnets, shifted rows undefended → defended: loud 90 → 80.5, short 70 → 71. "
        "Clean rows turned wrong 4, turned right 6."
    ]


def test_draws_are_averaged_where_they_are_figures():
    first = {"defence": "ours", "pacc": 10.0, "asr": 1.06, "flips": [1, 2], "tacc": None}
    drawn = [first, {**first, "pacc": 20.0, "asr": 2.0, "flips": [3, 4]}, {**first, "pacc": 60.0}]
    assert _mean(drawn[:1]) is first
    assert _mean(drawn) == {**first, "pacc": 30.0, "asr": 1.4}


def test_a_run_with_every_row_flagged_tells_what_the_own_threshold_gives(classifier, texts):
    ids = [encoded.ids for encoded in classifier.tokenizer.encode(texts)]
    fitted = Fitted(classifier, None, np.zeros(1, np.float32), 0.0)
    own = Answers(1 - classifier.run_ids(ids).logits.argmax(axis=1))
    every = fitted.answers(ids, threshold=-np.inf)
    found, plain = fitted.only_flagged(own, every), fitted.answers(ids)
    assert every.flagged.all()
    np.testing.assert_array_equal(found.flagged, plain.flagged)
    np.testing.assert_array_equal(found.scores, plain.scores)
    assert {*plain.flagged} == {True, False}
    np.testing.assert_array_equal(found.classes == own.classes, ~plain.flagged)
    with pytest.raises(ValueError, match="has scores"):
        fitted.only_flagged(own, own)


def test_detection_alone_flags_and_answers_as_the_model_does():
    fitted = Fitted(SimpleNamespace(), None, np.arange(99, dtype=np.float32), 0.0)
    run = Answers(np.array([1, 1, 1]), np.float32([89, 90, np.nan]), np.array([True] * 3))
    own = Answers(np.array([0, 0, 0]))
    kept, moved = (fitted.only_flag(own, run, rate) for rate in (None, 0.1))
    assert kept.classes.tolist() == moved.classes.tolist() == [0, 0, 0]
    assert kept.flagged.tolist() == [True, True, True]
    # Of 99 scores the ninetieth, 89, is the threshold.
    assert moved.flagged.tolist() == [False, True, True]


def test_finished_steps_are_kept_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    (tmp_path / "clean.csv").write_text("text,label\na,0\n")
    victim = DemoVictim(tmp_path)
    steps = [
        Step(victim, "clampdown", QUICK),
        Step(victim, "online", QUICK),
        Step(victim, "clampdown", QUICK, clean_rows=50),
        Step(victim, "clampdown", QUICK, poisoned=0.01),
    ]
    for number, step in enumerate(steps):
        assert cache.read(step) is None
        cache.write(step, [{"number": number}])
    assert [cache.read(step) for step in steps] == [[{"number": n}] for n in range(len(steps))]
