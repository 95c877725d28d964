"""A folder appears whole or not at all."""

import errno
import stat
from pathlib import Path

import pytest

from clampdown_runtime import DestinationError
from clampdown_runtime.writing import folder_exchange
from clampdown_runtime.writing.atomic_write import atomic_folder, atomic_replacement, require_free


def test_folder_appears_at_the_end(tmp_path):
    out = tmp_path / "new" / "parents" / "out"
    with atomic_folder(out) as place:
        (place / "sub").mkdir()
        (place / "sub" / "file").write_text("x")
        assert not out.exists()
    assert (out / "sub" / "file").read_text() == "x"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_empty_folder_and_link_are_taken(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with atomic_folder(tmp_path / "link") as place:
        (place / "file").touch()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_folder_has_the_usual_permissions(tmp_path):
    (tmp_path / "usual").mkdir()
    with atomic_folder(tmp_path / "out"):
        pass
    usual, found = (stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("usual", "out"))
    assert found == usual


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_error_inside_leaves_nothing(tmp_path, error):
    with pytest.raises(error), atomic_folder(tmp_path / "out") as place:
        (place / "file").touch()
        raise error
    assert list(tmp_path.iterdir()) == []


def full_disk(*_args, **_keys):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_full_disk_is_a_destination_error_and_leaves_nothing(tmp_path, monkeypatch):
    pattern = f"{tmp_path / 'out'}: found No space left"
    with pytest.raises(DestinationError, match=pattern), atomic_folder(tmp_path / "out") as place:
        (place / "before").touch()
        monkeypatch.setattr(Path, "write_text", full_disk)
        (place / "file").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_error_about_another_file_does_not_blame_the_destination(tmp_path):
    other = OSError(errno.EACCES, "Permission denied", "/elsewhere/model.safetensors")
    with pytest.raises(PermissionError), atomic_folder(tmp_path / "out"):
        raise other
    assert list(tmp_path.iterdir()) == []


def test_rename_that_fails_is_a_destination_error(tmp_path, monkeypatch):
    def busy(*_args):
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", busy)
    with pytest.raises(DestinationError, match="busy"), atomic_folder(tmp_path / "out"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_existing_thing_is_refused_before_any_work(tmp_path, kind):
    out = tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    else:
        out.mkdir()
        (out / "mine").touch()
    with pytest.raises(DestinationError, match="already exists"):
        require_free(out)
    with pytest.raises(DestinationError, match="already exists"), atomic_folder(out):
        pytest.fail("the block ran")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_link_to_itself_is_refused(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    for out in (tmp_path / "loop", tmp_path / "loop" / "out"):
        with pytest.raises(DestinationError):
            require_free(out)
        for folder in (atomic_folder, atomic_replacement):
            with pytest.raises(DestinationError), folder(out):
                pytest.fail("the block ran")
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]


def test_parent_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DestinationError), atomic_folder(tmp_path / "file" / "out"):
        pytest.fail("the block ran")


@pytest.fixture
def old(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "old").write_text("old")
    return folder


def test_atomic_replacement_takes_the_old_ones_place(old, tmp_path):
    with atomic_replacement(old) as place:
        (place / "new").touch()
        assert (old / "old").exists()
    assert [path.name for path in old.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [old]


def modes(folder):
    paths = [folder, *folder.rglob("*")]
    return {
        path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in paths
    }


def test_atomic_replacement_keeps_the_modes_of_what_it_replaces(old):
    (old / "sub").mkdir(mode=0o750)
    (old / "sub" / "file").touch(mode=0o640)
    (old / "old").chmod(0o400)
    old.chmod(0o700)
    expected = modes(old)
    with atomic_replacement(old) as place:
        # No more than the owner may look while it is written.
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        (place / "sub").mkdir()
        for name in ("sub/file", "old", "new"):
            (place / name).touch()
    found = modes(old)
    assert found.pop("new")
    assert found == expected


def test_atomic_replacement_that_its_owner_must_not_change_is_written_all_the_same(old):
    old.chmod(0o555)
    with atomic_replacement(old) as place:
        assert stat.S_IMODE(place.stat().st_mode) == 0o755
    assert stat.S_IMODE(old.stat().st_mode) == 0o555


def test_atomic_replacement_that_does_not_exist(tmp_path):
    with pytest.raises(DestinationError), atomic_replacement(tmp_path / "nothing"):
        pytest.fail("the block ran")
    assert list(tmp_path.iterdir()) == []


def test_atomic_replacement_may_be_reached_by_a_link(old, tmp_path):
    (tmp_path / "link").symlink_to(old)
    with atomic_replacement(tmp_path / "link") as place:
        (place / "new").touch()
    assert [path.name for path in old.iterdir()] == ["new"]
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_replacement_keeps_the_old_one_on_error(old, tmp_path, error):
    with pytest.raises(error), atomic_replacement(old) as place:
        (place / "new").touch()
        raise error
    assert (old / "old").read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


@pytest.mark.parametrize("error", [OSError(errno.EIO, "broken"), KeyboardInterrupt()])
@pytest.mark.parametrize("failing", [1, 2])
def test_atomic_replacement_keeps_the_old_one_when_a_rename_fails(
    old, tmp_path, monkeypatch, error, failing
):
    original, calls = Path.rename, []

    def rename(self, target):
        calls.append(self)
        if len(calls) == failing:
            raise error
        return original(self, target)

    monkeypatch.setattr(folder_exchange, "_swapped", lambda one, other: False)
    monkeypatch.setattr(Path, "rename", rename)
    expected = DestinationError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected), atomic_replacement(old) as place:
        (place / "new").touch()
    assert (old / "old").read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]
