"""`clampdown score`: a file of results for each input, whole or not at all, and what is refused."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from cli_process import CLAMPDOWN, ENVIRONMENT
from pyarrow import parquet
from score_samples import TEXTS, results, write
from tiny_bundle import PAIRS

from clampdown.score import fragments, run_score, score_fragment
from clampdown.score.fragments import find_fragments
from clampdown.score.options import ScoreOptions
from clampdown_runtime import DefendedClassifier, RowsError
from clampdown_runtime.bundle.digests import file_digest
from clampdown_runtime.sessions.defended_graph import DefendedGraph

OPTIONS = ScoreOptions()


def test_each_input_has_a_file_of_results(score, rows, tmp_path, classifier, pristine):
    done = score("--json")
    assert (done.exit_code, done.stderr) == (0, "")
    tables = results(tmp_path / "out")
    assert [*tables] == ["day=1/a.parquet", "day=2/a.parquet", "day=2/empty.parquet"]
    expected = classifier(TEXTS)
    table = tables["day=1/a.parquet"]
    assert table["text"].to_pylist() == TEXTS
    assert table["label"].to_pylist() == [prediction.label for prediction in expected]
    assert table["flagged"].to_pylist() == [prediction.flagged for prediction in expected]
    assert tables["day=2/empty.parquet"].schema == table.schema.with_metadata(
        tables["day=2/empty.parquet"].schema.metadata
    )
    flagged = 2 * sum(prediction.flagged for prediction in expected)
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["fragments"]) == (10, 3)
    assert (summary["flagged"], summary["flag_rate"]) == (flagged, flagged / 10)
    assert sum(summary["labels"].values()) == 10
    origin = table.schema.metadata
    assert origin[b"clampdown.bundle"].decode() == file_digest(pristine / "clampdown.json")
    assert origin[b"clampdown.input"].decode() == str(rows / "day=1" / "a.parquet")


def test_rows_without_a_text_are_counted_and_end_nothing(score, rows, tmp_path):
    write(rows / "b.parquet", ["good", None, "", "cf"])
    done = score(pattern=rows / "*.parquet")
    assert done.exit_code == 1
    assert "not classified  2: an empty text 1, no text 1" in done.stdout
    table = results(tmp_path / "out")["b.parquet"]
    assert table["error"].to_pylist() == [None, "no text", "an empty text", None]
    assert table["flagged"].null_count == 2


def test_a_finished_run_does_nothing_again(score, tmp_path):
    first = score()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert score().stdout == first.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before


def test_only_what_is_missing_is_scored(score, tmp_path, monkeypatch):
    score()
    kept = tmp_path / "out" / "day=1" / "a.parquet"
    gone = tmp_path / "out" / "day=2" / "a.parquet"
    before = gone.read_bytes()
    gone.unlink()
    asked = []
    own = score_fragment.score_fragment
    monkeypatch.setattr(
        "clampdown.score.run_score.score_fragment",
        lambda classifier, fragment, *rest: (
            asked.append(fragment.output) or own(classifier, fragment, *rest)
        ),
    )
    assert score().exit_code == 0
    assert asked == ["day=2/a.parquet"]
    assert gone.read_bytes() == before
    assert kept.exists()


def test_an_input_that_was_added_is_scored_and_one_that_changed_is_refused(score, rows, tmp_path):
    score()
    write(rows / "day=3" / "a.parquet", ["good"])
    assert "11 in 4 files" in score().stdout
    write(rows / "day=3" / "a.parquet", ["cf"])
    done = score()
    assert done.exit_code == 2
    assert "found the results of another file, or of this one before it was changed" in done.stderr


@pytest.mark.parametrize("options", [("--threshold", "1"), ("--columns", "id")])
def test_other_options_do_not_continue(score, options):
    score()
    done = score(*options)
    assert done.exit_code == 2
    assert f"results with `{options[0][2:]}` None" in done.stderr


def test_another_bundle_does_not_continue(score, bundle_path, seal):
    score()
    seal(bundle_path, frr_measured=0.03)
    done = score(bundle=bundle_path)
    assert done.exit_code == 2
    assert "results with `bundle` 'sha256:" in done.stderr


def test_a_folder_of_something_else_is_left_alone(score, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("")
    done = score()
    assert done.exit_code == 2
    assert "without _clampdown.json" in done.stderr


def test_results_are_not_written_among_the_input(invoke, pristine, rows):
    done = invoke("score", pristine, "--input", rows / "day=1" / "*.parquet", "--out", rows)
    assert done.exit_code == 2
    assert "a file of the input in it" in done.stderr


@pytest.mark.filterwarnings("ignore::clampdown_runtime.TruncationWarning")
def test_pairs_are_scored_by_both_columns(score, tmp_path, pristine_of_pairs):
    one, other = zip(*PAIRS, strict=True)
    columns = {"id": range(len(PAIRS)), "one": one, "other": other}
    parquet.write_table(pa.table(columns), tmp_path / "pairs.parquet")

    def scored(*names):
        named = ("--text-column", "one", *names, "--columns", "id")
        return score(*named, bundle=pristine_of_pairs, pattern=tmp_path / "pairs.parquet")

    # Without the name of the second column nothing is begun.
    done = scored()
    assert done.exit_code == 2
    assert "the column 'text_pair': none among 'id', 'one', 'other'" in done.stderr
    assert not (tmp_path / "out").exists()
    assert scored("--text-pair-column", "other").exit_code == 0
    table = results(tmp_path / "out")["pairs.parquet"]
    assert table.column_names[:2] == ["id", "label"]
    expected = DefendedClassifier.load(pristine_of_pairs)(PAIRS)
    assert table["anomaly_score"].to_pylist() == pytest.approx(
        [one.anomaly_score for one in expected]
    )
    record = json.loads((tmp_path / "out" / "_clampdown.json").read_text())
    assert record["text_pair_column"] == "other"


def test_another_bundle_than_the_expected_one_is_refused(score, tmp_path):
    done = score("--expect", f"sha256:{'0' * 64}")
    assert done.exit_code == 2
    assert not (tmp_path / "out").exists()


def test_standard_output_has_the_results_alone(score, monkeypatch):
    run = run_score.score

    def printing(*given, **options):
        sys.stdout.write("a worker's words\n")
        return run(*given, **options)

    monkeypatch.setattr(run_score, "score", printing)
    done = score("--json")
    assert json.loads(done.stdout)["rows"] == 10
    assert "a worker's words" in done.stderr


def test_workers_are_ray_s(score):
    assert score("--workers", "2").exit_code == 2


def test_the_batch_size_is_the_most_rows_of_a_run(score, rows, monkeypatch):
    sizes, run = [], DefendedGraph.run_ids
    monkeypatch.setattr(
        DefendedGraph,
        "run_ids",
        lambda graph, ids, **given: sizes.append(given["batch_size"]) or run(graph, ids, **given),
    )
    pattern = rows / "day=1" / "*.parquet"
    score(pattern=pattern)
    # A folder is continued with another one: results do not depend on it.
    assert score("--batch-size", 3).exit_code == 0
    assert {*sizes[:1]} == {32}
    assert {*sizes[1:]} == {3}


def test_nothing_that_matches_and_no_parquet(tmp_path, classifier):
    with pytest.raises(RowsError, match="no folders and no files"):
        find_fragments(str(tmp_path / "*.parquet"), OPTIONS, classifier.manifest)
    (tmp_path / "a.parquet").write_text("text\n")
    with pytest.raises(RowsError, match="not valid Parquet"):
        find_fragments(str(tmp_path / "*.parquet"), OPTIONS, classifier.manifest)


@pytest.mark.parametrize("place", [30, 60, -60])
def test_a_damaged_file_is_named_wherever_the_damage_is(score, rows, place):
    path = rows / "day=2" / "a.parquet"
    write(path, TEXTS * 500, use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[place : place + 24] = bytes(24)
    path.write_bytes(data)
    done = score()
    assert done.exit_code == 2
    assert f"{path}: found a file that is not valid Parquet" in done.stderr


def test_a_file_without_the_column_is_seen_before_the_work(score, rows, tmp_path):
    parquet.write_table(pa.table({"review": ["good"]}), rows / "day=2" / "z.parquet")
    done = score()
    assert done.exit_code == 2
    assert "z.parquet: found the column 'text': none among 'review'" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_large_file_is_cut_between_row_groups(tmp_path, monkeypatch, score, classifier):
    monkeypatch.setattr(fragments, "ROWS", 4)
    write(tmp_path / "big.parquet", TEXTS * 2, row_group_size=2)
    found = find_fragments(str(tmp_path / "big.parquet"), OPTIONS, classifier.manifest)
    assert [(part.first, part.last, part.rows) for part in found] == [
        (0, 2, 4),
        (2, 4, 4),
        (4, 5, 2),
    ]
    assert [part.output for part in found] == [f"big-0000{n}-of-00003.parquet" for n in range(3)]
    assert score(pattern=tmp_path / "big.parquet").exit_code == 0
    labels = [
        label
        for table in results(tmp_path / "out").values()
        for label in table["label"].to_pylist()
    ]
    assert labels == [prediction.label for prediction in classifier(TEXTS * 2)]


def test_two_files_with_one_name_of_results_are_refused(tmp_path, monkeypatch, classifier):
    monkeypatch.setattr(fragments, "ROWS", 4)
    write(tmp_path / "big.parquet", TEXTS, row_group_size=2)
    write(tmp_path / "big-00000-of-00002.parquet", TEXTS[:1])
    with pytest.raises(RowsError, match=r"both be big-00000-of-00002\.parquet"):
        find_fragments(str(tmp_path / "*.parquet"), OPTIONS, classifier.manifest)


def test_a_run_that_is_killed_continues(score, rows, tmp_path, pristine, classifier):
    texts = ["good", "cf"] * 20_000
    for name in "abcd":
        write(rows / "long" / f"{name}.parquet", texts)
    pattern, out = rows / "long" / "*.parquet", tmp_path / "out"
    command = (*CLAMPDOWN, "score", pristine, "--input", pattern, "--out", out)
    # Their end is not waited for: it is killed within the second file.
    process = subprocess.Popen(command, env=ENVIRONMENT)
    while process.poll() is None and not (out / "a.parquet").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = sorted(path.name for path in out.glob("*.parquet"))
    assert "a.parquet" in finished
    assert "d.parquet" not in finished
    first = (out / "a.parquet").stat().st_mtime_ns
    assert score(pattern=pattern).exit_code == 0
    assert (out / "a.parquet").stat().st_mtime_ns == first
    # Nothing half-written stays, and no row is there twice or lost.
    assert sorted(path.name for path in out.iterdir()) == [
        *("_clampdown.json", "a.parquet", "b.parquet", "c.parquet", "d.parquet")
    ]
    good, bad = classifier(["good", "cf"])
    for name, table in results(out).items():
        assert table["id"].to_pylist() == [f"{name[0]}-{place}" for place in range(len(texts))]
        assert table["flagged"].to_pylist() == [good.flagged, bad.flagged] * 20_000


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not tell")
def test_memory_does_not_grow_with_the_input(rows, tmp_path, pristine):
    peaks = []
    for groups in (24, 72):
        texts = [f"{place} film " * 1000 for place in range(256)]
        write(rows / str(groups) / "a.parquet", texts * groups, row_group_size=256)
        code = (
            "import sys\nfrom clampdown.cli.main import main\n"
            "main(sys.argv[1:], standalone_mode=False)\n"
            "print(*(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
        )
        source, out = rows / str(groups) / "*.parquet", tmp_path / f"out{groups}"
        done = subprocess.run(
            [sys.executable, "-c", code, "score", pristine, "--input", source, "--out", out],
            env={**os.environ, **ENVIRONMENT},
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout.split()[-2]))
    # 110 MB of texts more, in kilobytes; of them all no copy is held.
    assert peaks[1] - peaks[0] < 40_000, peaks
