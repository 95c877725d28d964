"""What an output folder says of the run that fills it, so that no other run continues there."""

import dataclasses
import json

from clampdown.score.options import ScoreOptions
from clampdown.score.places.place import Place, written
from clampdown_runtime.errors import DestinationError

RECORD = "_clampdown.json"
"""Spark, Ray and Arrow take no file whose name begins so for data."""

FORMAT_VERSION = 1


def claim(out: Place, digest: str, options: ScoreOptions) -> None:
    """Writes the record into a new or empty folder; in one that has a record it has to be the same.

    Args:
        out: the output folder.
        digest: of the bundle.
        options: of the run.

    Raises:
        DestinationError: the folder belongs to another bundle or other options, or to something
            else.
        ClampdownError: an object store cannot be read or written.
    """
    record = {
        "format_version": FORMAT_VERSION,
        "bundle": digest,
        # As they come back from JSON.
        **json.loads(json.dumps(dataclasses.asdict(options))),
    }
    place = out / RECORD
    if place.exists():
        found = _read(place)
        if different := [key for key in record if found.get(key) != record[key]]:
            key = different[0]
            raise DestinationError(
                f"The output folder {out}",
                found=f"results with `{key}` {found.get(key)!r}",
                expected=repr(record[key]),
                hint="Continue with the same bundle and options, or choose another folder.",
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DestinationError(
            f"The output folder {out}",
            found=f"something that is already there, without {RECORD}",
            expected="a new or empty folder, or that of a run that was ended",
            hint="Choose another folder.",
        )
    with written(place) as file:
        file.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def _read(place: Place) -> dict[str, object]:
    try:
        with place.open("rb") as file:
            found = json.loads(file.read())
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}
