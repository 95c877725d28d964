"""One folder takes another one's place, and at no moment is the old one lost."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from clampdown_runtime import DestinationError
from clampdown_runtime.writing import folder_exchange
from clampdown_runtime.writing.folder_exchange import exchange

SWAPS = """
import sys
from pathlib import Path
from clampdown_runtime.writing.folder_exchange import exchange
place = Path(sys.argv[1])
print("ready", flush=True)
while True:
    exchange(place / "new", place / "old", place / "spare")
"""


@pytest.fixture(params=["in one step", "in two"])
def folders(request, tmp_path, monkeypatch):
    for name in ("new", "old"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text(name)
    if request.param == "in two":
        monkeypatch.setattr(folder_exchange, "_swapped", lambda one, other: False)
    elif not sys.platform.startswith("linux"):
        pytest.skip("only Linux swaps in one step")
    return tmp_path


def content(folder: Path) -> str:
    return (folder / "inner" / "file").read_text()


def test_the_new_one_is_in_its_place_and_the_old_one_is_nowhere_else(folders):
    exchange(folders / "new", folders / "old", folders / "spare")
    assert content(folders / "old") == "new"
    left = [path for path in folders.iterdir() if path.name != "old"]
    assert [(path.name, content(path)) for path in left] in ([], [("new", "old")])


@pytest.mark.parametrize(("call", "kept"), [(1, "old"), (2, "new")])
def test_an_interrupt_behind_either_rename_leaves_one_whole(tmp_path, monkeypatch, call, kept):
    for name in ("new", "old"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text(name)
    monkeypatch.setattr(folder_exchange, "_swapped", lambda one, other: False)
    original, calls = Path.rename, []

    def rename(self, target):
        calls.append(original(self, target))
        if len(calls) == call:
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(KeyboardInterrupt):
        exchange(tmp_path / "new", tmp_path / "old", tmp_path / "spare")
    assert content(tmp_path / "old") == kept
    assert not (tmp_path / "spare").exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux swaps in one step")
def test_linux_swaps_in_one_step(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    assert folder_exchange._swapped(tmp_path / "one", tmp_path / "other")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["other"]


def test_what_appears_in_between_is_not_overwritten_and_the_old_one_is_kept(tmp_path, monkeypatch):
    for name in ("new", "old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    monkeypatch.setattr(folder_exchange, "_swapped", lambda one, other: False)
    original = Path.rename

    def rename(self, target):
        result = original(self, target)
        if self.name == "old":
            self.mkdir()
            (self / "stranger").touch()
        return result

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(DestinationError, match=r"kept as .*spare: move it back"):
        exchange(tmp_path / "new", tmp_path / "old", tmp_path / "spare")
    assert (tmp_path / "spare" / "file").read_text() == "old"
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["stranger"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux swaps in one step")
def test_killed_at_any_moment_there_is_a_whole_folder(tmp_path):
    for name in ("new", "old"):
        (tmp_path / name / "inner").mkdir(parents=True)
        (tmp_path / name / "inner" / "file").write_text(name)
    for pause in (0.0, 0.003, 0.01, 0.02):
        command = [sys.executable, "-c", SWAPS, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(pause)
            process.kill()
        assert {content(tmp_path / "old"), content(tmp_path / "new")} == {"new", "old"}
