"""The structure of a benchmark; nothing here asserts how long anything takes."""

import json
import math
from itertools import product

import numpy as np
import pytest
import tiny_bundle

from clampdown import bench
from clampdown.measure import latency, memory
from clampdown.measure.latency import expected_ratio
from clampdown.measure.synthetic_rows import random_rows
from clampdown_runtime import ClampdownError, ProviderError, open_bundle


@pytest.fixture(autouse=True)
def one_process(monkeypatch):
    monkeypatch.setattr(memory, "_PROCESSES", 1)


@pytest.fixture
def timed(monkeypatch):
    """Replaces the clock: every run takes as many seconds as it has rows, or thrice that."""
    rounds_run = []

    def seconds_in_turn(runs, *, rounds, settling_s):
        assert settling_s > 0
        found = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                outputs, feed = run.args
                values = dict(zip(outputs, run(), strict=True))
                rounds_run.append((name, feed, values))
                flagged = values["flagged"].sum() if "flagged" in values else 0
                found[name].append(len(feed["input_ids"]) + 2.0 * flagged)
        return {name: np.array(seconds) for name, seconds in found.items()}

    monkeypatch.setattr(latency, "seconds_in_turn", seconds_in_turn)
    return rounds_run


@pytest.mark.usefixtures("negated")
def test_every_part_is_measured(pristine):
    result = bench(pristine, threads=(1,), batch_sizes=(1, 2), repeats=2)
    settings = [(row.threads, row.batch_size, row.length) for row in result.rows]
    assert settings == [(1, 1, 8), (1, 2, 8)]
    for row in result.rows:
        assert min(row.undefended_ms, row.unflagged_ms, row.flagged_ms) > 0
        assert row.undefended_rows_per_second == pytest.approx(
            1000 * row.batch_size / row.undefended_ms
        )
        assert row.unflagged_rows_per_second == pytest.approx(
            1000 * row.batch_size / row.unflagged_ms
        )
    assert result.frr == 0.04
    assert result.memory_ratio == result.memory.defended_bytes / result.memory.undefended_bytes
    assert result.defended_file_bytes == (pristine / "onnx" / "model.onnx").stat().st_size
    assert result.undefended_file_bytes == len(tiny_bundle.other_model().SerializeToString())
    assert result.file_ratio == result.defended_file_bytes / result.undefended_file_bytes


@pytest.mark.usefixtures("negated")
@pytest.mark.parametrize("rows", [1, 4])
def test_ratios_are_those_of_the_clock(pristine, timed, rows):
    [row] = bench(pristine, threads=(1,), batch_sizes=(rows,), repeats=3).rows
    assert row.unflagged_ratio == 1
    assert row.flagged_ratio == 3
    # This clock is linear in the flagged rows, so the expectation is known.
    assert row.clean_ratio == pytest.approx(1 + 2 * 0.04)
    assert row.undefended_ms == row.unflagged_ms == 1000 * rows
    assert row.flagged_ms == 3000 * rows


@pytest.mark.usefixtures("negated")
def test_defended_and_undefended_take_turns_on_the_same_tokens(pristine, timed):
    bench(pristine, threads=(1,), batch_sizes=(4,), repeats=2)
    assert [name for name, _, _ in timed] == ["undefended", "none", "every", "one"] * 2
    tokens = timed[0][1]["input_ids"]
    for name, feed, outputs in timed:
        np.testing.assert_array_equal(feed["input_ids"], tokens)
        flagged = {"none": 0, "every": 4, "one": 1}
        if name == "undefended":
            assert list(outputs) == ["logits"]
        else:
            assert outputs["flagged"].sum() == flagged[name]


@pytest.mark.usefixtures("negated", "timed")
@pytest.mark.parametrize("mode", ["purify", "detect"])
def test_without_a_second_pass_there_is_no_flagged_column(bundle_path, seal, mode):
    seal(bundle_path, mode=mode)
    [row] = bench(bundle_path, threads=(1,), batch_sizes=(2,), repeats=1).rows
    assert row.flagged_ms is row.flagged_ratio is None
    assert row.clean_ratio == row.unflagged_ratio


@pytest.mark.parametrize(("rows", "rate"), list(product([1, 2, 8], [0.0, 0.1, 0.5, 1.0])))
def test_the_expectation_is_the_sum_over_the_binomial_distribution(rows, rate):
    none, one, every = 1.0, 1.3, 1.9
    if rows == 1:
        one = every
    expected = sum(
        math.comb(rows, k)
        * rate**k
        * (1 - rate) ** (rows - k)
        * (none if k == 0 else one + (k - 1) * (every - one) / max(rows - 1, 1))
        for k in range(rows + 1)
    )
    assert expected_ratio(none, one, every, rows=rows, rate=rate) == pytest.approx(expected)


def test_random_rows_keep_the_special_tokens_outside(pristine):
    rows = random_rows(open_bundle(pristine), count=50, length=7, seed=3)
    assert {len(row) for row in rows} == {7}
    assert {(row[0], row[-1]) for row in rows} == {(2, 3)}
    assert len({token for row in rows for token in row[1:-1]}) == len(tiny_bundle.WORDS)
    assert rows == random_rows(open_bundle(pristine), count=50, length=7, seed=3)


def test_random_rows_leave_added_special_tokens_out(bundle_path, seal):
    path = bundle_path / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["added_tokens"] = [
        {
            "id": index,
            "content": word,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": True,
        }
        for index, word in enumerate(tiny_bundle.WORDS[:4])
    ]
    path.write_text(json.dumps(tokenizer))
    seal(bundle_path)
    rows = random_rows(open_bundle(bundle_path), count=50, length=7)
    assert {token for row in rows for token in row[1:-1]} == set(range(4, len(tiny_bundle.WORDS)))


@pytest.mark.parametrize("length", [2, 9])
def test_a_length_that_does_not_fit_is_refused(pristine, length):
    with pytest.raises(ClampdownError, match="expected 3 to 8"):
        random_rows(open_bundle(pristine), count=1, length=length)


@pytest.mark.usefixtures("negated")
@pytest.mark.parametrize("keys", [{"threads": (0,)}, {"batch_sizes": (1, 0)}, {"repeats": 0}])
def test_numbers_below_one_are_refused(pristine, keys):
    with pytest.raises(ClampdownError, match="expected at least 1"):
        bench(pristine, **keys)


def test_a_memory_process_that_fails_is_told(pristine, tmp_path):
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"broken")
    with pytest.raises(ProviderError, match=r"the memory of .*broken\.onnx"):
        memory.measure_memory(open_bundle(pristine), broken)
