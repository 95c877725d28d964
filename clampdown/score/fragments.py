"""The pieces of work: a Parquet file or, of a large one, a range of its row groups."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

from pyarrow import parquet

from clampdown.integrations.arrow import scored_schema
from clampdown.score.options import ScoreOptions
from clampdown.score.places.matching import matching
from clampdown.score.places.place import AT_ONCE, Place
from clampdown.score.places.uris import shown
from clampdown.score.readable import readable
from clampdown_runtime.bundle.digests import digest_of
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.errors import RowsError
from clampdown_runtime.rows.refusals import refuse

ROWS = 2**17
"""Of a fragment, at least where row groups allow it: what a worker that dies has to do again takes
minutes with a small encoder, and there are few enough files."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """One piece of work and the file that its results go to.

    Attributes:
        source: the Parquet file.
        first: its first row group that belongs to the fragment.
        last: the first that no longer does.
        rows: how many there are in it.
        output: the results' path in the output folder, with ``/``.
        footer: ``sha256:…`` of the file's footer, which has sizes, places and extremes of all
            values: it tells whether the file was changed without reading it.
    """

    source: Place
    first: int
    last: int
    rows: int
    output: str
    footer: str


def find_fragments(pattern: str, options: ScoreOptions, manifest: Manifest) -> list[Fragment]:
    """The fragments of all files that a pattern matches, in the order of their names.

    Only the footers are read.

    Args:
        pattern: a path or URI with ``*``, ``?`` or ``**``; the folders behind the first of these
            are kept in the names of the outputs.
        options: of the run, with the columns that every file has to have.
        manifest: of the bundle, which says whether the second texts are among them.

    Raises:
        RowsError: nothing matches, a file is not Parquet or lacks a column, or two outputs have the
            same name.
        ClampdownError: an object store cannot be read.
    """
    files, folders = matching(pattern)
    if not files:
        raise RowsError(
            f"The input {shown(pattern)}",
            found=f"{folders or 'no'} folders and no files",
            expected="Parquet files",
            hint="Pass a pattern such as 'folder/*.parquet', in quotes.",
        )
    with ThreadPoolExecutor(AT_ONCE) as pool:
        of_files = pool.map(lambda file: [*_fragments(file[0], file[1], options, manifest)], files)
        fragments = [fragment for of_file in of_files for fragment in of_file]
    counted = Counter(fragment.output for fragment in fragments)
    if twice := [name for name, count in counted.items() if count > 1]:
        raise RowsError(
            f"The input {shown(pattern)}",
            found=f"two files whose results would both be {twice[0]}",
            expected="names that differ",
            hint="Rename one of them.",
        )
    return fragments


def _fragments(
    place: Place, name: str, options: ScoreOptions, manifest: Manifest
) -> Iterator[Fragment]:
    try:
        with readable(place), place.open("rb") as file, parquet.ParquetFile(file) as opened:
            metadata = opened.metadata
            scored_schema(
                opened.schema_arrow,
                manifest,
                text_column=options.text_column,
                text_pair_column=options.text_pair_column,
                columns=options.columns,
                all_probabilities=options.all_probabilities,
            )
            groups = [metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
            # Behind the footer stand its length, of four bytes, and as many that name the format.
            file.seek(-8 - metadata.serialized_size, 2)
            footer = digest_of(file.read(metadata.serialized_size))
    except RowsError as error:
        if error.thing == str(place):
            raise
        refuse(
            place, found=f"{error.thing}: {error.found}", expected=error.expected, hint=error.hint
        )
    starts, held = [0], 0
    for group, rows in enumerate(groups):
        if held and held + rows > ROWS:
            starts.append(group)
            held = 0
        held += rows
    ends = [*starts[1:], len(groups)]
    suffix = PurePosixPath(name).suffix
    stem = name.removesuffix(suffix)
    for part, (first, last) in enumerate(zip(starts, ends, strict=True)):
        of = f"-{part:05}-of-{len(starts):05}" if len(starts) > 1 else ""
        yield Fragment(place, first, last, sum(groups[first:last]), f"{stem}{of}{suffix}", footer)
