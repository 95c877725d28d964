"""Scores one fragment and moves its finished file into place."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from clampdown.integrations.arrow import classify_batches, scored_schema, text_columns
from clampdown.score.fragments import Fragment
from clampdown.score.options import ScoreOptions
from clampdown.score.places.place import Place, written
from clampdown.score.readable import readable
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import DestinationError, RowsError
from clampdown_runtime.rows.parquet_rows import rows_at_once

ROW_GROUP = 2**24
"""Bytes of a row group of the results before compression, all of which are held until it is
written: readers are slow with many small ones."""

BUNDLE, INPUT, FOOTER = b"clampdown.bundle", b"clampdown.input", b"clampdown.input_footer"
"""What every file of results says of its origin, in its schema's metadata."""


def score_fragment(
    classifier: DefendedClassifier,
    fragment: Fragment,
    options: ScoreOptions,
    out: Place,
    batch_size: int,
) -> Iterator[int]:
    """Scores a fragment, whose file is there whole or not at all, whenever the process is killed.

    Args:
        classifier: a loaded bundle.
        fragment: what is read.
        options: of the run.
        out: the output folder.
        batch_size: the most rows in one run of the model.

    Yields:
        The number of rows of each batch, once it is scored.

    Raises:
        RowsError: the columns cannot be used.
        DestinationError: an object store does not take the results.
        ClampdownError: one cannot be read.
        OSError: a file cannot be read or written.
    """
    manifest = classifier.manifest
    texts = text_columns(manifest, options.text_column, options.text_pair_column)
    with (
        fragment.source.open("rb") as opened,
        _parquet(fragment, opened) as source,
        written(out / fragment.output) as results,
    ):
        kept = source.schema_arrow.names if options.columns is None else options.columns
        schema = scored_schema(
            source.schema_arrow,
            manifest,
            text_column=options.text_column,
            text_pair_column=options.text_pair_column,
            columns=kept,
            all_probabilities=options.all_probabilities,
        )
        columns = list(dict.fromkeys([*texts, *kept]))
        origin = {
            BUNDLE: classifier.bundle.digest,
            INPUT: str(fragment.source),
            FOOTER: fragment.footer,
        }
        # Given a path, pyarrow takes one such as a:b/c for a URI.
        with (
            results.open("wb") as file,
            parquet.ParquetWriter(file, schema.with_metadata(origin)) as writer,
        ):
            held: list[pa.RecordBatch] = []
            for batch in classify_batches(
                classifier,
                _batches(source, columns, fragment),
                text_column=options.text_column,
                text_pair_column=options.text_pair_column,
                columns=kept,
                batch_size=batch_size,
                threshold=options.threshold,
                all_probabilities=options.all_probabilities,
            ):
                held.append(batch)
                if sum(one.nbytes for one in held) > ROW_GROUP:
                    writer.write_table(pa.Table.from_batches(held))
                    held.clear()
                yield batch.num_rows
            if held:
                writer.write_table(pa.Table.from_batches(held))


def _parquet(fragment: Fragment, opened: Any) -> parquet.ParquetFile:  # noqa: ANN401 - of pyarrow
    with readable(fragment.source):
        return parquet.ParquetFile(opened)


def _batches(
    source: parquet.ParquetFile, columns: list[str], fragment: Fragment
) -> Iterator[pa.RecordBatch]:
    with readable(fragment.source):
        yield from source.iter_batches(
            rows_at_once(source.metadata, columns, fragment.source),
            row_groups=range(fragment.first, fragment.last),
            columns=columns,
        )


def is_finished(fragment: Fragment, out: Place) -> bool:
    """Whether the results of a fragment are there.

    A file without a readable footer, as an upload to HDFS leaves that was cut off, holds none.

    Raises:
        DestinationError: they are those of an input that is no longer the same.
        ClampdownError: an object store cannot be read.
    """
    place = out / fragment.output
    try:
        with readable(place), place.open("rb") as file:
            schema = parquet.read_schema(file)
    except (FileNotFoundError, RowsError):
        return False
    found = (schema.metadata or {}).get(FOOTER, b"").decode()
    if found != fragment.footer:
        raise DestinationError(
            str(place),
            found="the results of another file, or of this one before it was changed",
            expected=f"those of {fragment.source} as it is",
            hint="Remove this file to score the input again, or write into another folder.",
        )
    return True
