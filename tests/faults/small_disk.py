"""A disk of a few pages: a tmpfs in a mount namespace of our own, gone with the process."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

_ENTERED = "CLAMPDOWN_FAULTS_PRIVATE_MOUNTS"
_ROOMY = "size=256m,nr_inodes=100k"
"""Before it is narrowed: the page with its WebAssembly has 15 MB."""


def enter_private_mounts(arguments: list[str]) -> None:
    """Start this program again where it may mount, if the system permits that."""
    if os.environ.get(_ENTERED):
        return
    for options in (["--mount"], ["--mount", "--map-root-user"]):
        command = ["unshare", *options]
        try:
            tried = subprocess.run([*command, "true"], capture_output=True, check=False)
        except OSError:
            return
        if tried.returncode == 0:
            program = [*command, sys.executable, "-m", "tests.faults", *arguments]
            os.execvpe("unshare", program, {**os.environ, _ENTERED: "1"})  # noqa: S606


def not_permitted() -> str | None:
    """Why there are no small disks here, if there are none."""
    if os.environ.get(_ENTERED):
        return None
    return "`unshare --mount` is absent or not permitted"


_mounted: list[Path] = []


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir(parents=True, exist_ok=True)
        _mounted.append(place)
        _mount("-t", "tmpfs", "-o", _ROOMY, "clampdown-faults", place)
        # A size of 0 would mean no limit.
        (place / "ballast").write_bytes(b"1")

    def leave_pages(self, count: int) -> None:
        """Let so many more pages be written."""
        found = os.statvfs(self.place)
        size = (found.f_blocks - found.f_bfree + count) * found.f_frsize
        _mount("-o", f"remount,size={size}", self.place)

    def leave_inodes(self, count: int) -> None:
        """Let so many more files and folders be made."""
        found = os.statvfs(self.place)
        _mount("-o", f"remount,nr_inodes={found.f_files - found.f_ffree + count}", self.place)

    def roomy(self) -> None:
        _mount("-o", f"remount,{_ROOMY}", self.place)

    def read_only(self) -> None:
        _mount("-o", "remount,ro", self.place)

    def writable(self) -> None:
        _mount("-o", "remount,rw", self.place)


@cache
def small_disk(place: Path) -> SmallDisk:
    """One disk for each place: mounted again, it would hide what is there."""
    return SmallDisk(place)


def unmount_all() -> None:
    """What is mounted cannot be removed."""
    while _mounted:
        subprocess.run(["umount", str(_mounted.pop())], check=False, capture_output=True)


def pages(folder: Path) -> int:
    """The pages that the files of a folder take."""
    size = os.statvfs(folder).f_frsize
    return sum(-(-path.stat().st_size // size) for path in folder.rglob("*") if path.is_file())


def _mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)
