"""Folders that are written aside and moved into place whole, so that nothing half-written stays."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from clampdown_runtime.errors import DestinationError
from clampdown_runtime.writing.folder_exchange import exchange
from clampdown_runtime.writing.interrupts import surely
from clampdown_runtime.writing.working_folder import free_name, working_folder

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG}


def require_free(destination: Path) -> None:
    """Refuse a place that :func:`atomic_folder` would refuse, before the work and not after it.

    Raises:
        DestinationError: ``destination`` exists and is not an empty folder, or is a link to nothing
            or to itself.
    """
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            # Of a link to itself `exists` says that nothing is there.
            destination.stat()
        if destination.is_dir():
            taken = any(destination.iterdir())
        else:
            taken = destination.exists() or destination.is_symlink()
    except OSError as error:
        raise _unwritable(destination, error) from error
    if taken:
        raise DestinationError(
            f"The output folder {destination}",
            found="something that already exists there",
            expected="a new or empty folder",
            hint="Choose another folder, or remove this one first.",
        )


@contextlib.contextmanager
def atomic_folder(destination: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``destination`` when the block ends without an error.

    Raises:
        DestinationError: ``destination`` exists and is not empty, its parent cannot be written to,
            or the disk is full. On any error, Ctrl-C included, the written files are removed.
    """
    require_free(destination)
    place = Path(os.path.realpath(destination))
    with _aside(place) as aside:
        yield aside
        try:
            # An empty folder is replaced; one in use, such as a mount, is not.
            aside.replace(place)
        except OSError as error:
            raise _unwritable(destination, error) from error


@contextlib.contextmanager
def atomic_replacement(destination: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of the existing ``destination`` at the end.

    The folder keeps its permissions, and so does every file in it that is written anew.

    Raises:
        DestinationError: there is no such folder, its parent cannot be written to, or the disk is
            full. On any error the old folder stays as it was, see :func:`exchange`.
    """
    place = Path(os.path.realpath(destination))
    with _aside(place) as aside:
        try:
            # At once: what only its owner may read stays so while it is written.
            _set_mode(aside, _mode(place) | stat.S_IRWXU)
        except OSError as error:
            raise _unwritable(destination, error) from error
        yield aside
        _copy_modes(place, aside)
        try:
            exchange(aside, place, free_name(place))
        except OSError as error:
            raise _unwritable(destination, error) from error


@contextlib.contextmanager
def _aside(destination: Path) -> Iterator[Path]:
    """A folder beside ``destination``, on its file system; removed at the end if still there."""
    # Not mkdtemp, whose folders only their owner can read: a bundle is meant to be shared.
    aside = None
    try:
        with _parents(destination), working_folder(destination) as aside:
            yield aside
    except OSError as error:
        if aside is not None and (error.errno not in _DISK_ERRORS or not _within(error, aside)):
            raise
        raise _unwritable(destination, error) from error


@contextlib.contextmanager
def _parents(destination: Path) -> Iterator[None]:
    """Make the folders above a place; on an error those that were made are removed again."""
    missing = [folder for folder in destination.parents if not folder.exists()]

    def remove() -> None:
        for folder in missing:
            # One that somebody has put something into, as we do at the end, is not empty, and
            # stays; one that could not be made is not there.
            with contextlib.suppress(OSError):
                folder.rmdir()

    with surely(remove):
        destination.parent.mkdir(parents=True, exist_ok=True)
        yield


def _copy_modes(old: Path, new: Path) -> None:
    for path in (*new.rglob("*"), new):
        before = old / path.relative_to(new)
        if before.exists():
            _set_mode(path, _mode(before))


def _set_mode(path: Path, mode: int) -> None:
    # Some file systems have no permissions and refuse to set any.
    if mode != _mode(path):
        path.chmod(mode)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _within(error: OSError, folder: Path) -> bool:
    """Whether an error is about a file in ``folder``; a full disk does not say which file it is."""
    return error.filename is None or Path(str(error.filename)).is_relative_to(folder)


def _unwritable(destination: Path, error: OSError) -> DestinationError:
    return DestinationError(
        f"The output folder {destination}",
        found=error.strerror or str(error),
        expected="a place with free space that can be written to",
        hint="Free some space or choose another folder; nothing was left behind.",
    )
