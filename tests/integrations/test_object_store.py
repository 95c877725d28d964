"""`clampdown score` from an object store and into one, in process and on Ray."""

import itertools
import json
import os
import signal
import subprocess

import numpy as np
import pyarrow as pa
import pytest
from cli_process import CLAMPDOWN, ENVIRONMENT
from click.testing import CliRunner
from pyarrow import parquet
from pyarrow.fs import FileSelector, FileType
from s3_server import CREDENTIALS, S3Server

from clampdown.cli.main import main

TEXTS = ["good", "bad film", "cf", "a good film", "the the", ""]
ENDPOINT = "AWS_ENDPOINT_URL"
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server():
    with S3Server().running() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv(ENDPOINT, f"http://{running.address}")
        # Ray's agent is slow to start on a busy machine; its processes get this environment.
        patch.setenv("RAY_agent_register_timeout_ms", "300000")
        patch.setenv("RAY_raylet_start_wait_time_s", "300")
        yield running


@pytest.fixture
def bucket(server):
    """A bucket of its own for each test, with three files."""
    name = f"bucket-{next(NUMBERS)}"
    server.files().create_dir(name)
    for file in ("day=1/a", "day=2/a", "day=2/ä %"):
        write(server, f"{name}/rows/{file}.parquet", TEXTS)
    return name


def write(server, path, texts):
    ids = [f"{path}-{place}" for place in range(len(texts))]
    parquet.write_table(pa.table({"id": ids, "text": texts}), path, filesystem=server.files())


def score(bundle, source, out, *options):
    line = ["score", bundle, "--input", source, "--out", out, *options]
    return CliRunner().invoke(main, [str(part) for part in line])


def objects(server, folder):
    found = server.files().get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
    names = sorted(one.path for one in found if one.type == FileType.File)
    return {name.removeprefix(f"{folder}/"): content(server, name) for name in names}


def content(server, path):
    with server.files().open_input_file(path) as file:
        return file.read()


def table(written):
    return parquet.read_table(pa.BufferReader(written))


def test_both_ways_give_what_files_give(server, bucket, pristine, tmp_path):
    source = f"s3://{bucket}/rows/**/*.parquet"
    stored = score(pristine, source, f"s3://{bucket}/scored", "--json")
    assert (stored.exit_code, stored.stderr) == (1, "")
    scored = objects(server, f"{bucket}/scored")
    results = ["day=1/a.parquet", "day=2/a.parquet", "day=2/ä %.parquet"]
    assert [*scored] == ["_clampdown.json", *results]
    local = score(pristine, source, tmp_path / "local", "--json")
    assert json.loads(local.stdout) == json.loads(stored.stdout)
    assert {name: (tmp_path / "local" / name).read_bytes() for name in scored} == scored
    # And from files: all but the name of the input, which a file of results holds.
    for name in results:
        (tmp_path / "rows" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "rows" / name).write_bytes(content(server, f"{bucket}/rows/{name}"))
    back = score(pristine, f"{tmp_path}/rows/**/*.parquet", f"s3://{bucket}/back")
    assert back.exit_code == 1
    for name, found in objects(server, f"{bucket}/back").items():
        if name in results:
            expected = table(scored[name])
            assert table(found).equals(expected)
            origin = expected.schema.metadata[b"clampdown.input"].decode()
            assert origin == f"s3://{bucket}/rows/{name.replace('%', '%25')}"


def test_ray_s_actors_read_and_write_the_store(server, bucket, pristine):
    source = f"s3://{bucket}/rows/**/*.parquet"
    one = score(pristine, source, f"s3://{bucket}/one")
    actors = score(pristine, source, f"s3://{bucket}/ray", "--engine", "ray", "--workers", "1")
    assert (actors.exit_code, actors.stdout) == (1, one.stdout), actors.stderr
    assert objects(server, f"{bucket}/ray") == objects(server, f"{bucket}/one")


def test_a_run_continues_and_refuses_as_with_files(server, bucket, pristine):
    source, out = f"s3://{bucket}/rows/day=1/*.parquet", f"s3://{bucket}/scored"
    score(pristine, source, out)
    write(server, f"{bucket}/rows/day=1/b.parquet", TEXTS)
    more = score(pristine, source, out)
    assert "12 in 2 files" in more.stdout
    other = score(pristine, source, out, "--threshold", "1")
    assert (other.exit_code, "results with `threshold` None" in other.stderr) == (2, True)
    write(server, f"{bucket}/rows/day=1/b.parquet", TEXTS[:2])
    changed = score(pristine, source, out)
    assert changed.exit_code == 2
    assert f"{out}/b.parquet: found the results of another file" in changed.stderr
    for folder, found in ((f"s3://{bucket}", "in it"), (f"s3://{bucket}/rows/day=2", "without")):
        refused = score(pristine, source, folder)
        assert (refused.exit_code, found in refused.stderr) == (2, True), refused.stderr


@pytest.fixture
def large(server, bucket):
    """One file whose results are uploaded in two parts, behind one of a single part."""
    texts = [
        row.tobytes().hex()
        for row in np.random.default_rng(0).integers(0, 256, (6000, 1000), np.uint8)
    ]
    write(server, f"{bucket}/large/a.parquet", TEXTS[:2])
    write(server, f"{bucket}/large/b.parquet", texts)
    return f"s3://{bucket}/large/*.parquet", f"s3://{bucket}/scored"


def test_an_upload_that_fails_leaves_no_results(server, bucket, large, pristine, monkeypatch):
    monkeypatch.setattr(server, "refuses", True)
    failed = score(pristine, *large)
    assert failed.exit_code == 2
    assert f"{large[1]}/b.parquet: found a failure to write there (When uploading" in failed.stderr
    assert [*objects(server, f"{bucket}/scored")] == ["_clampdown.json", "a.parquet"]
    monkeypatch.setattr(server, "refuses", False)
    assert "6002 in 2 files" in score(pristine, *large).stdout


def test_a_run_that_is_killed_while_it_uploads_continues(server, bucket, large, pristine):
    server.holds.clear()
    server.arrived.clear()
    source, out = large
    process = subprocess.Popen(
        (*CLAMPDOWN, "score", pristine, "--input", source, "--out", out),
        env={**ENVIRONMENT, **{name: os.environ[name] for name in (*CREDENTIALS, ENDPOINT)}},
    )
    assert server.arrived.wait(120)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    server.holds.set()
    before = objects(server, f"{bucket}/scored")
    assert [*before] == ["_clampdown.json", "a.parquet"]
    assert "6002 in 2 files" in score(pristine, *large).stdout
    after = objects(server, f"{bucket}/scored")
    assert after["a.parquet"] == before["a.parquet"]
    ids = table(after["b.parquet"])["id"].to_pylist()
    assert ids == [f"{bucket}/large/b.parquet-{place}" for place in range(6000)]


def test_an_object_that_was_cut_off_is_scored_again(server, bucket, pristine):
    """As a filesystem leaves it that shows what has been written so far."""
    source, out = f"s3://{bucket}/rows/**/*.parquet", f"s3://{bucket}/scored"
    score(pristine, source, out)
    whole = content(server, f"{bucket}/scored/day=1/a.parquet")
    with server.files().open_output_stream(f"{bucket}/scored/day=1/a.parquet") as file:
        file.write(whole[: len(whole) // 2])
    assert "18 in 3 files" in score(pristine, source, out).stdout
    assert content(server, f"{bucket}/scored/day=1/a.parquet") == whole


@pytest.mark.parametrize(
    ("source", "out", "said"),
    [
        ("s3://{}/none/*.parquet", "s3://{}/scored", "none/*.parquet: found no folders and no"),
        ("s3://{}/rows/a.parquet", "s3://{}/scored", "rows/a.parquet: found no folders and no"),
        ("s3://{}/rows/day=1/a.parquet/*", "s3://{}/scored", "a.parquet/*: found no folders and"),
        ("s3://{}/rows/*", "s3://{}/scored", "rows/*: found 2 folders and no files"),
        ("s3://no-bucket/rows/*", "s3://{}/scored", "NO_SUCH_BUCKET"),
        ("s3://{}/rows/day=1/*", "s3://no-bucket/x", "x/_clampdown.json: found a failure to write"),
    ],
)
def test_what_is_missing_is_named(bucket, pristine, source, out, said):
    done = score(pristine, source.format(bucket), out.format(bucket))
    assert done.exit_code == 2
    assert said in done.stderr


def test_a_server_that_does_not_answer_is_named(bucket, pristine):
    options = "?endpoint_override=127.0.0.1:9&scheme=http"
    done = score(pristine, f"s3://me:secret@{bucket}/rows/*{options}", f"s3://{bucket}/scored")
    assert done.exit_code == 2
    assert f"s3://me@{bucket}/rows: found a request that failed" in done.stderr
    assert "NETWORK_CONNECTION" in done.stderr
    assert "Check the file, the URI, the network" in done.stderr
    assert "secret" not in done.stderr
