"""Places of files: a path on this machine, or an object of a store."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from urllib.request import url2pathname

from clampdown.score.places.store_path import StorePath
from clampdown.score.places.uris import Uri, split_uri
from clampdown_runtime.writing.folder_exchange import flush
from clampdown_runtime.writing.working_folder import scratch_folder, working_folder

Place = Path | StorePath

AT_ONCE = 16
"""Files that are looked into at a time: of an object store each takes some round trips."""


_FILE = "results"


def place_of(text: str) -> Place:
    """The place that a path or a URI names."""
    uri = split_uri(text)
    if uri is None:
        return Path(text)
    return Path(local_path(uri)) if uri.is_local else StorePath(*uri)


def local_path(uri: Uri) -> str:
    """The path in a URI of ``file://``."""
    return url2pathname(quote(f"/{uri.path}"))


def is_within(place: Place, folder: Place) -> bool:
    """Whether a place is a folder or lies in it."""
    return type(place) is type(folder) and place.resolve().is_relative_to(folder.resolve())  # type: ignore[arg-type]


@contextmanager
def written(place: Place) -> Iterator[Path]:
    """Yield a file to be written, which takes its place at the end: whole, or not at all.

    Raises:
        DestinationError: a store does not take it.
        OSError: it cannot be written on this machine.
    """
    if isinstance(place, StorePath):
        with scratch_folder() as aside:
            yield aside / _FILE
            place.upload(aside / _FILE)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with working_folder(place) as aside:
        yield aside / _FILE
        flush(aside)
        (aside / _FILE).replace(place)
