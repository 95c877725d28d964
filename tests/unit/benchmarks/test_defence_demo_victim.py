"""The demo's victim lies where `clampdown demo` puts it, and is made once."""

import torch

from benchmarks import demo_victim
from benchmarks.demo_victim import DemoVictim


def test_it_is_made_where_it_is_missing(tmp_path, monkeypatch):
    made = []

    def make_victim(out):
        assert torch.get_num_threads() == 1
        made.append(out)
        for name in ("clean.csv", "clean-test.csv", "poisoned-test.csv"):
            (out / name).touch()
        (out / "victim").mkdir()

    monkeypatch.setattr(demo_victim, "make_victim", make_victim)
    victim = DemoVictim(tmp_path)
    threads = torch.get_num_threads()
    try:
        assert victim.train() == victim.train() == victim.folder
    finally:
        torch.set_num_threads(threads)
    assert made == [tmp_path]
    assert (victim.dataset, victim.name, victim.target) == ("tweets", "badnets", 1)
    for path in (victim.calibration, victim.clean_test, *victim.triggered_tests):
        assert path.is_file()
