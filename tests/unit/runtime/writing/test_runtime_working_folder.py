"""Folders to work in: locked while a process lives, recognised as leftovers when it was killed."""

import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from clampdown_runtime import DestinationError
from clampdown_runtime.writing import working_folder as module
from clampdown_runtime.writing.atomic_write import atomic_folder
from clampdown_runtime.writing.working_folder import scratch_folder, working_folder

HOLDS = """
import sys, time
from pathlib import Path
from clampdown_runtime.writing.working_folder import working_folder
with working_folder(Path(sys.argv[1])) as folder:
    (folder / "half-written").touch()
    print(folder, flush=True)
    time.sleep(60)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such locks")


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLDS, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        folder = process.stdout.readline().strip()
        yield process, tmp_path / folder
        process.kill()


def test_what_a_killed_process_left_is_removed_by_the_next(holder, tmp_path):
    process, folder = holder
    process.kill()
    process.wait()
    assert (folder / "half-written").exists()
    with atomic_folder(tmp_path / "out"):
        assert not folder.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_living_process_holds_stays(holder, tmp_path):
    _, folder = holder
    with working_folder(tmp_path / "out"):
        assert (folder / "half-written").exists()


def test_leftovers_of_another_place_and_folders_of_other_names_stay(holder, tmp_path):
    process, folder = holder
    process.kill()
    process.wait()
    names = [".out-clampdown-notes", ".out-clampdown-0123456789", "out-clampdown-01234567"]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / ".out-clampdown-00000000").symlink_to(tmp_path / names[0])
    with working_folder(tmp_path / "other"):
        assert folder.exists()
    with working_folder(tmp_path / "out"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [*names, ".out-clampdown-00000000"]
    )


def test_a_folder_that_another_process_took_first_is_not_used(tmp_path, monkeypatch):
    original, seen = module._lock, []

    def lock(folder):
        seen.append(folder)
        if len(seen) == 1:
            folder.rmdir()
        return original(folder)

    monkeypatch.setattr(module, "_lock", lock)
    with working_folder(tmp_path / "out") as folder:
        assert folder.is_dir()
        assert folder != seen[0]


def test_scratch_folder_is_the_owners_alone_and_gone_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch_folder() as folder:
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "rows").touch()
    assert list(tmp_path.iterdir()) == []


def test_parents_that_were_made_are_removed_on_an_error(tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError), atomic_folder(tmp_path / "mine" / "new" / "er" / "out"):
        raise ValueError
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]


def test_parents_that_were_made_are_removed_where_a_deeper_one_cannot_be(tmp_path, monkeypatch):
    original = os.mkdir

    def mkdir(path, *args):
        if Path(path).name == "er":
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        original(path, *args)

    monkeypatch.setattr(os, "mkdir", mkdir)
    with pytest.raises(DestinationError), atomic_folder(tmp_path / "new" / "er" / "out"):
        pytest.fail("the block ran")
    assert list(tmp_path.iterdir()) == []


def test_parents_into_which_somebody_wrote_stay(tmp_path):
    with pytest.raises(ValueError), atomic_folder(tmp_path / "new" / "er" / "out"):
        (tmp_path / "new" / "theirs").touch()
        raise ValueError
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "theirs"]
