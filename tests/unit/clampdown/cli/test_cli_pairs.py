"""`clampdown run`, `evaluate` and `inspect` on a bundle of pairs, and on one of single texts."""

import json

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")

PAIRS = [("good", "bad"), ("bad film", "=a film")]


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"premise": one, "hypothesis": other, "label": "positive"} for one, other in PAIRS]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def columns():
    return ("--text-column", "premise", "--text-pair-column", "hypothesis")


def test_pairs_of_a_file(invoke, pristine_of_pairs, pairs, columns):
    from clampdown_runtime import DefendedClassifier

    expected = DefendedClassifier.load(pristine_of_pairs)(PAIRS)
    result = invoke("run", pristine_of_pairs, "--input", pairs, *columns)
    assert result.exit_code == 0, result.stderr
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [line[0] for line in lines] == [one.label for one in expected]
    assert [line[2] for line in lines] == [f"{one.anomaly_score:.4f}" for one in expected]
    assert [line[4:] for line in lines] == [["good", "bad"], ["bad film", "'=a film"]]


@pytest.mark.parametrize("source", [("good",), ("--input", "-")])
def test_single_texts_are_refused_for_pairs(invoke, pristine_of_pairs, source):
    result = invoke("run", pristine_of_pairs, *source, input="good\n")
    assert result.exit_code == 2
    assert "found single texts; expected pairs" in result.stderr
    assert "`text_pair`" in result.stderr


def test_rows_of_the_other_kind_are_refused(invoke, pristine, pristine_of_pairs, tmp_path):
    rows = {"single.csv": "text,label\ngood,0\n", "pairs.csv": "text,text_pair,label\na,b,0\n"}
    for name, text in rows.items():
        (tmp_path / name).write_text(text)
    for bundle, name, found in (
        (pristine, "pairs.csv", "a pair of texts"),
        (pristine_of_pairs, "single.csv", "a single text"),
    ):
        path = tmp_path / name
        for command in (("run", bundle, "--input", path), ("evaluate", bundle, "--clean", path)):
            result = invoke(*command)
            assert result.exit_code == 2
            assert f"{name}, line 2: found {found}" in result.stderr


def test_windows_of_pairs_are_refused(invoke, pristine_of_pairs, pairs, columns):
    result = invoke("run", pristine_of_pairs, "--input", pairs, *columns, "--window", "6")
    assert result.exit_code == 2
    assert "Windows: found a bundle whose model reads pairs" in result.stderr


@pytest.mark.usefixtures("without_safetensors")
def test_inspect_says_what_is_read(invoke, pristine, pristine_of_pairs):
    for bundle, reads in ((pristine, "single texts"), (pristine_of_pairs, "pairs of texts")):
        lines = invoke("inspect", bundle).stdout.splitlines()
        assert [line.split(maxsplit=1)[1] for line in lines if line.startswith("reads")] == [reads]
    assert json.loads(invoke("inspect", pristine_of_pairs, "--json").stdout)["text_pair"] is True
