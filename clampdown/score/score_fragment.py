"""Scores one fragment and moves its finished file into place."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from clampdown.integrations.arrow import classify_batches, scored_schema, text_columns
from clampdown.score.fragments import Fragment
from clampdown.score.options import ScoreOptions
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import DestinationError
from clampdown_runtime.rows.parquet_rows import rows_at_once
from clampdown_runtime.writing.folder_exchange import flush
from clampdown_runtime.writing.working_folder import working_folder

ROW_GROUP = 2**24
"""Bytes of a row group of the results before compression, all of which are held until it is
written: readers are slow with many small ones."""

BUNDLE, INPUT, FOOTER = b"clampdown.bundle", b"clampdown.input", b"clampdown.input_footer"
"""What every file of results says of its origin, in its schema's metadata."""


def score_fragment(
    classifier: DefendedClassifier,
    fragment: Fragment,
    options: ScoreOptions,
    out: Path,
) -> Iterator[int]:
    """Scores a fragment, whose file is there whole or not at all, whenever the process is killed.

    Args:
        classifier: a loaded bundle.
        fragment: what is read.
        options: of the run.
        out: the output folder.

    Yields:
        The number of rows of each batch, once it is scored.

    Raises:
        RowsError: the columns cannot be used.
        OSError: a file cannot be read or written.
    """
    place = out / fragment.output
    place.parent.mkdir(parents=True, exist_ok=True)
    manifest = classifier.manifest
    texts = text_columns(manifest, options.text_column, options.text_pair_column)
    with parquet.ParquetFile(fragment.source) as source, working_folder(place) as aside:
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
        batches = source.iter_batches(
            rows_at_once(source.metadata, columns, fragment.source),
            row_groups=range(fragment.first, fragment.last),
            columns=columns,
        )
        origin = {
            BUNDLE: classifier.bundle.digest,
            INPUT: str(fragment.source),
            FOOTER: fragment.footer,
        }
        with parquet.ParquetWriter(aside / "results", schema.with_metadata(origin)) as writer:
            held: list[pa.RecordBatch] = []
            for batch in classify_batches(
                classifier,
                batches,
                text_column=options.text_column,
                text_pair_column=options.text_pair_column,
                columns=kept,
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
        flush(aside)
        (aside / "results").replace(place)


def is_finished(fragment: Fragment, out: Path) -> bool:
    """Whether the results of a fragment are there.

    Raises:
        DestinationError: they are those of an input that is no longer the same.
    """
    place = out / fragment.output
    if not place.exists():
        return False
    found = (parquet.read_schema(place).metadata or {}).get(FOOTER, b"").decode()
    if found != fragment.footer:
        raise DestinationError(
            str(place),
            found="the results of another file, or of this one before it was changed",
            expected=f"those of {fragment.source} as it is",
            hint="Remove this file to score the input again, or write into another folder.",
        )
    return True
