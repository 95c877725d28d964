"""Places in an object store, and what is scored there; fsspec's in memory stands for one."""

import errno
import json
import pickle
import signal

import pyarrow as pa
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from pyarrow import parquet

from clampdown.score import score_fragment
from clampdown.score.places import store_path
from clampdown.score.places.place import is_within, place_of, written
from clampdown.score.places.store_path import explained
from clampdown_runtime.errors import ClampdownError, DestinationError
from clampdown_runtime.writing.interrupts import interrupt

TEXTS = ["good", "bad film", "cf", "a good film"]


@pytest.fixture
def store(tmp_path):
    return place_of(f"fsspec+memory://test{tmp_path}")


@pytest.fixture
def rows(store):
    for name in ("day=1/a", "day=2/a"):
        with written(store / f"rows/{name}.parquet") as file:
            parquet.write_table(pa.table({"text": TEXTS}), file)
    return store / "rows"


@pytest.fixture
def score(invoke, pristine, store, rows):
    def run(*options, source=rows / "**/*.parquet", out=store / "out"):
        return invoke("score", pristine, "--input", source, "--out", out, *options)

    return run


def names(folder):
    return sorted(name for name, is_folder in folder.entries(recursive=True) if not is_folder)


def test_the_results_are_those_of_files(score, store, tmp_path):
    done = score("--json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert names(store / "out") == ["_clampdown.json", "day=1/a.parquet", "day=2/a.parquet"]
    local = score("--json", out=(tmp_path / "a b").as_uri())
    assert json.loads(local.stdout) == json.loads(done.stdout)
    for name in names(store / "out"):
        with (store / "out" / name).open("rb") as file:
            assert file.read() == (tmp_path / "a b" / name).read_bytes()


def test_local_names_with_a_colon_are_paths(score, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    parquet.write_table(pa.table({"text": TEXTS}), (tmp_path / "a:b" / "c:d").open("wb"))
    assert score(source="a:b/*", out="e:f").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "e:f").iterdir()) == ["_clampdown.json", "c:d"]


def test_what_was_not_scored_to_its_end_is_not_there(score, store, monkeypatch):
    own = score_fragment.classify_batches

    def broken(classifier, batches, **options):
        yield from own(classifier, batches, **options)
        raise DestinationError("the disk", found="no space", expected="some", hint="Free some.")

    monkeypatch.setattr(score_fragment, "classify_batches", broken)
    assert score().exit_code == 2
    assert names(store / "out") == ["_clampdown.json"]
    monkeypatch.undo()
    assert score().exit_code == 0


def test_a_file_without_a_footer_is_scored_again(score, store, tmp_path):
    score()
    half = tmp_path / "half"
    for place in (store / "out" / "day=1/a.parquet", store / "out" / "day=2/a.parquet"):
        with place.open("rb") as file:
            whole = file.read()
        half.write_bytes(whole[: len(whole) // 2])
        place.upload(half)
        assert "8 in 2 files" in score().stdout
        with place.open("rb") as file:
            assert file.read() == whole


def test_an_upload_that_fails_says_where(score, store, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "quota exceeded")

    monkeypatch.setattr(MemoryFile, "commit", full)
    done = score()
    assert done.exit_code == 2
    assert f"{store}/out/_clampdown.json: found a failure to write there (" in done.stderr
    assert "quota exceeded" in done.stderr
    assert names(store / "out") == []


def test_a_signal_waits_for_the_end_of_an_upload(store, tmp_path, monkeypatch):
    """It would close the stream, and what had been sent would be the object."""
    before = signal.signal(signal.SIGINT, lambda *_: interrupt(KeyboardInterrupt()))
    monkeypatch.setattr(store_path, "_SENT_AT_ONCE", 4)
    own = MemoryFile.write

    def write(file, sent):
        signal.raise_signal(signal.SIGINT)
        return own(file, sent)

    monkeypatch.setattr(MemoryFile, "write", write)
    (tmp_path / "file").write_bytes(b"0123456789")
    try:
        with pytest.raises(KeyboardInterrupt):
            (store / "object").upload(tmp_path / "file")
    finally:
        signal.signal(signal.SIGINT, before)
    with (store / "object").open("rb") as file:
        assert file.read() == b"0123456789"


def test_the_folder_has_to_be_the_run_s_own(score, store, rows, tmp_path):
    score()
    assert "results with `threshold` None" in score("--threshold", "1").stderr
    assert "without _clampdown.json" in score(source=rows / "day=1/*", out=rows / "day=2").stderr
    assert "a file of the input in it, a.parquet" in score(out=store).stderr
    (tmp_path / "file").write_text("")
    (store / "object").upload(tmp_path / "file")
    assert "without _clampdown.json" in score(out=store / "object").stderr


def test_an_input_that_changed_is_refused(score, rows):
    score()
    with written(rows / "day=2/a.parquet") as file:
        parquet.write_table(pa.table({"text": TEXTS[:2]}), file)
    assert "found the results of another file, or of this one before" in score().stderr


def test_a_request_that_fails_is_explained(score, rows, monkeypatch):
    def refuse(*_, **__):
        raise OSError("AWS Error ACCESS_DENIED\nand more")

    monkeypatch.setattr(MemoryFileSystem, "_open", refuse)
    done = score()
    assert done.exit_code == 2
    assert (
        f"{rows}/day=1/a.parquet: found a request that failed, or a damaged file (AWS"
        in done.stderr
    )
    assert "and more" not in done.stderr
    assert "credentials, region and endpoint in the environment" in done.stderr


@pytest.mark.parametrize("uri", ["gopher://me:secret@host/x", "fsspec+gopher://host/x", "s3:///"])
def test_a_store_that_there_is_not(score, uri):
    done = score(out=uri)
    assert done.exit_code == 2
    assert "found no object store (" in done.stderr
    assert "secret" not in done.stderr


def test_a_place_is_pickled_and_shown_as_a_uri():
    place = place_of("s3://key:secret@bucket/a%2520b?region=x") / "50%?.parquet"
    assert pickle.loads(pickle.dumps(place)) == place  # noqa: S301
    assert str(place) == "s3://key@bucket/a%2520b/50%25%3F.parquet"
    assert "secret" not in repr(place)
    assert place_of(str(place)).key == place.key
    assert place.name == "50%?.parquet"


def test_what_lies_in_what(tmp_path):
    assert is_within(place_of("s3://a/b/c?region=x"), place_of("s3://a/b?scheme=http"))
    assert is_within(place_of("s3://key:secret@a/b/c"), place_of("s3://a/b"))
    one, other = (f"s3://a/b?endpoint_override={port}" for port in (1, 2))
    assert is_within(place_of(one), place_of(one)) and not is_within(place_of(one), place_of(other))
    assert not is_within(place_of("abfs://a@account/x"), place_of("abfs://b@account/x"))
    assert not is_within(place_of("s3://a/bc"), place_of("s3://a/b"))
    assert not is_within(place_of("s3://a/b"), place_of("gs://a"))
    assert not is_within(tmp_path, place_of("s3://a"))
    assert is_within(place_of((tmp_path / "a b").as_uri()), tmp_path)
    for name in ("a%20b", "50%25", "a b"):
        assert place_of((tmp_path / name).as_uri()) == tmp_path / name


def test_what_pyarrow_says_of_a_missing_object_has_its_name(store):
    with pytest.raises(FileNotFoundError) as raised:
        (store / "none").open("rb")
    assert raised.value.filename == f"{store}/none"
    # What is in a file is another thing than how it was read.
    with pytest.raises(pa.ArrowInvalid), explained(store):
        raise pa.ArrowInvalid("no Parquet")
    with pytest.raises(ClampdownError), explained(store):
        raise OSError("no network")
