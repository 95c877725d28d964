"""`clampdown demo` hands its options over and prints what was measured; the work is replaced."""

import csv
import dataclasses
import json
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from measured_samples import EVALUATION, LATENCY

from clampdown import Accuracies, run_demo
from clampdown.demo.plain_sentences import PLAIN_SENTENCES
from clampdown_runtime import DestinationError

PLAIN = dataclasses.replace(
    EVALUATION,
    defended=Accuracies(90.0, None, None, None),
    undefended=Accuracies(92.5, None, None, None),
)


@pytest.fixture
def replaced_demo(monkeypatch, replace_package):
    """Replaces the work of the demo; the files are empty."""
    module = sys.modules["clampdown.demo.run_demo"]
    calls = []

    def make_victim(out, *, seed, progress):
        calls.append(("victim", seed))
        progress("Fine-tuning", 1, 1)
        (out / "victim").mkdir()
        names = ("clean.csv", "clean-test.csv", "poisoned-test.csv")
        for name in names:
            (out / name).touch()
        clean, clean_test, poisoned_test = (out / name for name in names)
        return SimpleNamespace(
            model=out / "victim",
            clean=clean,
            clean_test=clean_test,
            poisoned_test=poisoned_test,
            target_label=1,
        )

    def defend(model, clean, out, **keys):
        calls.append(("defend", model.name, clean.name, keys["seed"]))
        out.mkdir()

    def evaluate(bundle, clean, *, poisoned=None, target_label=None, progress=None):
        calls.append(
            ("evaluate", bundle.name, clean.name, poisoned and poisoned.name, target_label)
        )
        if poisoned is None:
            return PLAIN
        return EVALUATION

    @contextmanager
    def undefended_file(bundle):
        yield bundle / "undefended"

    replace_package("clampdown.demo.victim", make_victim=make_victim)
    for name, function in {
        "defend": defend,
        "evaluate": evaluate,
        "open_bundle": lambda path: path,
        "undefended_file": undefended_file,
        "measure_latency": lambda *_, **__: [LATENCY],
    }.items():
        monkeypatch.setattr(module, name, function)
    return calls


def test_demo(invoke, replaced_demo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke("demo", "--seed=5", "--json")
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    assert replaced_demo == [
        ("victim", 5),
        ("defend", "victim", "clean.csv", 5),
        ("evaluate", "bundle", "clean-test.csv", "poisoned-test.csv", 1),
        ("evaluate", "bundle", "plain-sentences.csv", None, None),
    ]
    found = json.loads(result.stdout)
    seconds = found.pop("seconds")
    assert list(seconds) == ["fine-tune the victim", "defend", "evaluate", "measure latency"]
    assert found == {
        **dataclasses.asdict(EVALUATION),
        "plain_sentences": {"rows": 40, "undefended": 37, "defended": 36},
        "latency": dataclasses.asdict(LATENCY),
        "folder": "clampdown-demo",
        "victim": "clampdown-demo/victim",
        "bundle": "clampdown-demo/bundle",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["clampdown-demo"]
    assert {path.name for path in (tmp_path / "clampdown-demo").iterdir()} == {
        "victim",
        "bundle",
        "clean.csv",
        "clean-test.csv",
        "poisoned-test.csv",
        "plain-sentences.csv",
    }
    plain = tmp_path / "clampdown-demo" / "plain-sentences.csv"
    with plain.open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert header == ["text", "label"]
    assert lines == [[row.text, str(row.label)] for row in PLAIN_SENTENCES]


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_demo_refuses_a_seed_that_its_generators_do_not_take(invoke, replaced_demo, tmp_path, seed):
    result = invoke("demo", "--out", tmp_path / "out", f"--seed={seed}")
    assert result.exit_code == 2
    assert "--seed" in result.stderr
    assert replaced_demo == []


@pytest.mark.usefixtures("replaced_demo")
def test_demo_prints_the_table_and_where_the_bundle_lies(invoke, tmp_path):
    lines = invoke("demo", "--out", tmp_path / "out").stdout.splitlines()
    assert lines[1:5] == [
        "CACC (%)        86.2      84.9",
        "PACC (%)         0.0      78.5",
        "ASR (%)        100.0      21.5",
        "TACC (%)        99.0      91.0",
    ]
    [plain] = [line for line in lines if line.startswith("plain sentences")]
    assert plain.endswith("  37 of 40 right undefended, 36 defended")
    text = "\n".join(lines)
    assert "1.80 times as long" in text
    assert str(tmp_path / "out" / "bundle" / "report.html") in text


def test_demo_leaves_a_full_folder_alone(replaced_demo, tmp_path):
    (tmp_path / "mine").touch()
    with pytest.raises(DestinationError):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert replaced_demo == []


@pytest.mark.usefixtures("replaced_demo")
def test_an_interrupted_demo_leaves_nothing(invoke, tmp_path, monkeypatch):
    def interrupt(*_arguments, **_keys):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["clampdown.demo.run_demo"], "evaluate", interrupt)
    result = invoke("demo", "--out", tmp_path / "out")
    assert result.exit_code == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("negated")
def test_the_demo_measures_one_row_of_32_tokens(pristine, monkeypatch):
    seen = {}

    def measure(bundle, undefended, **keys):
        assert undefended.exists()
        seen.update(keys)
        return [LATENCY]

    module = sys.modules["clampdown.demo.run_demo"]
    monkeypatch.setattr(module, "measure_latency", measure)
    assert module._latency(pristine, print) is LATENCY
    assert seen == {
        "threads": (1,),
        "batch_sizes": (1,),
        "lengths": (32,),
        "repeats": 30,
        "progress": print,
    }
