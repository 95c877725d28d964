"""What the table of the defence benchmark makes of its rows."""

from benchmarks.defence import cache
from benchmarks.defence.plan import QUICK, Step
from benchmarks.defence.table import _means
from benchmarks.demo_victim import DemoVictim

FIGURES = {
    "cacc": 90.0,
    "pacc": None,
    "asr": None,
    "auroc": None,
    "frr": None,
    "far": None,
    "calls_per_row": 1,
    "ms_per_row": None,
    "calibration_s": None,
}


def row(attack, defence="ours", **changes):
    about = {"dataset": "d", "attack": attack, "defence": defence, "mode": "detect"}
    return {**about, **FIGURES, **changes}


def test_means_are_of_one_defence_over_the_plain_attacks_that_took():
    rows = [
        row("badnets", pacc=10.0),
        row("addsent", pacc=20.0, cacc=80.0),
        row("stylebkd", pacc=90.0),
        row("badnets, 5% poisoned", pacc=90.0),
        row("none", cacc=0.0),
        row("badnets", "theirs", pacc=1.0),
    ]
    ours, theirs = _means(rows, failed={("d", "stylebkd")})
    assert (ours["attack"], ours["defence"]) == ("2 victims", "ours")
    assert (ours["pacc"], ours["cacc"], ours["auroc"]) == (15.0, 85.0, None)
    assert (theirs["attack"], theirs["pacc"]) == ("1 victims", 1.0)


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
