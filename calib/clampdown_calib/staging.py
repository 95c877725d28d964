"""Folders that are written aside and moved into place whole, so that nothing half-written stays."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clampdown_runtime.errors import DestinationError

_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def staged_folder(destination: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes ``destination`` when the block ends without an error.

    Raises:
        DestinationError: ``destination`` exists and is not empty, its parent cannot be written to,
            or the disk is full. On any error, Ctrl-C included, the written files are removed.
    """
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise DestinationError(
            f"The output folder {destination}",
            found="something that already exists there",
            expected="a new or empty folder",
            do="Choose another folder, or remove this one first.",
        )
    with _aside(destination) as aside:
        yield aside
        if destination.exists():
            destination.rmdir()
        aside.replace(destination)


@contextmanager
def replaced_folder(destination: Path) -> Iterator[Path]:
    """Yield an empty folder that takes the place of the existing ``destination`` at the end.

    Raises:
        DestinationError: the parent cannot be written to, or the disk is full. On any error the
            old folder stays as it was.
    """
    with _aside(destination) as aside:
        yield aside
        with _aside(destination) as old:
            # Two renames: no file system can swap two folders that hold files in one portable step.
            destination.replace(old)
            try:
                aside.replace(destination)
            except OSError:
                old.replace(destination)
                raise


@contextmanager
def _aside(destination: Path) -> Iterator[Path]:
    """A folder beside ``destination``, on the same file system, removed at the end if still there."""
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
    except OSError as error:
        raise _unwritable(destination, error) from error
    try:
        # mkdtemp makes a folder that only its owner can read; a bundle is meant to be shared.
        aside.chmod(0o755)
        yield aside
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise _unwritable(destination, error) from error
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _unwritable(destination: Path, error: OSError) -> DestinationError:
    return DestinationError(
        f"The output folder {destination}",
        found=error.strerror or str(error),
        expected="a place with free space that can be written to",
        do="Free some space or choose another folder; nothing was left behind.",
    )
