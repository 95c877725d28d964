"""Classifies the rows of Arrow record batches: what Spark, Ray and Polars hand over."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from clampdown.integrations.arrow_results import at_rows, result_table, result_types
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import RowsError
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT
from clampdown_runtime.rows.texts import Text, require_text


def classify_batches(
    classifier: DefendedClassifier,
    batches: Iterable[pa.RecordBatch],
    *,
    text_column: str = DEFAULT_FORMAT.text,
    text_pair_column: str = DEFAULT_FORMAT.text_pair,
    columns: Sequence[str] | None = None,
    batch_size: int = 32,
    threshold: float | None = None,
    all_probabilities: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Classifies the rows of record batches, of which it holds few at a time.

    A row without a text that can be classified (null, empty, white space) ends nothing: its new
    columns are null, and ``error`` says why. Of a pair each text has to be one.

    Args:
        classifier: a loaded bundle.
        batches: all of one schema.
        text_column: the column of the texts, strings or a dictionary of strings.
        text_pair_column: that of the second texts, which is read where the bundle's model reads
            pairs.
        columns: the input's columns to keep; all of them when None.
        batch_size: the most texts in one run of the model.
        threshold: takes the place of the bundle's own threshold.
        all_probabilities: add the column ``probabilities``, a struct of each label's probability.

    Yields:
        For each batch one of as many rows, in their order, after :func:`scored_schema`.

    Raises:
        RowsError: a column is missing, is there twice or has a name that is needed for a result,
            the texts are no strings, or see :func:`text_columns`.
        ProviderError: the model failed while it ran.

    Warns:
        TruncationWarning: once at the end, when texts were longer than ``max_length``.
    """
    manifest = classifier.manifest
    names = text_columns(manifest, text_column, text_pair_column)
    types = result_types(manifest, all_probabilities=all_probabilities)
    results = pa.schema(list(types.items())).empty_table()
    under_way: deque[_Rows] = deque()

    def texts() -> Iterator[Text]:
        for batch in batches:
            schema = scored_schema(
                batch.schema,
                manifest,
                text_column=text_column,
                text_pair_column=text_pair_column,
                columns=columns,
                all_probabilities=all_probabilities,
            )
            found = list(zip(*(_values(batch.column(name)) for name in names), strict=True))
            errors = [_error(classifier, texts) for texts in found]
            under_way.append(_Rows(batch, schema, errors, errors.count(None)))
            for texts, error in zip(found, errors, strict=True):
                if error is None:
                    yield texts if manifest.text_pair else texts[0]

    windows = classifier.stream_outputs(texts(), batch_size=batch_size, threshold=threshold)
    for outputs in windows:
        results = pa.concat_tables([results, result_table(outputs, manifest, types)])
        while under_way and under_way[0].classified <= results.num_rows:
            rows = under_way.popleft()
            yield rows.scored(results.slice(0, rows.classified))
            results = results.slice(rows.classified)
    # Behind the last text that can be classified.
    for rows in under_way:
        yield rows.scored(results)


def scored_schema(
    schema: pa.Schema,
    manifest: Manifest,
    *,
    text_column: str = DEFAULT_FORMAT.text,
    text_pair_column: str = DEFAULT_FORMAT.text_pair,
    columns: Sequence[str] | None = None,
    all_probabilities: bool = False,
) -> pa.Schema:
    """The columns of the results: those of the input that are kept, and behind them the new ones.

    ``label`` (string), ``probability`` (float64), ``anomaly_score`` (float32), ``flagged`` (bool),
    ``undefended_label`` (string, null where the graph does not say), of a model of many labels
    ``labels`` and ``undefended_labels`` (lists of strings, see :class:`Prediction`), where they are
    wanted ``probabilities`` (a struct of float64), and ``error`` (string), which is null where the
    others are not. The schema's own metadata, which is about its columns, goes.

    Args:
        schema: of the input.
        manifest: of the bundle.
        text_column: the column of the texts.
        text_pair_column: that of the second texts, where the model reads pairs.
        columns: the input's columns to keep; all of them when None.
        all_probabilities: whether the probability of each label is wanted.

    Raises:
        RowsError: see :func:`classify_batches`.
    """
    for name in text_columns(manifest, text_column, text_pair_column):
        why = ", since the model reads pairs of texts" if name != text_column else ""
        kind = _column(schema, name, why).type
        if not _is_text(kind.value_type if pa.types.is_dictionary(kind) else kind):
            raise RowsError(
                f"the column {name!r}",
                found=f"values of the type {kind}",
                expected="strings",
                hint="Name the column of the texts, or convert it.",
            )
    types = result_types(manifest, all_probabilities=all_probabilities)
    new = {**types, "error": pa.string()}
    kept = [_column(schema, name) for name in (schema.names if columns is None else columns)]
    if taken := [column.name for column in kept if column.name in new]:
        raise RowsError(
            "the columns to keep",
            found=f"{', '.join(taken)}, the name of a result",
            expected="other names",
            hint="Name the columns to keep, without it, or rename it.",
        )
    return pa.schema([*kept, *(pa.field(name, kind) for name, kind in new.items())])


def text_columns(
    manifest: Manifest,
    text_column: str = DEFAULT_FORMAT.text,
    text_pair_column: str = DEFAULT_FORMAT.text_pair,
) -> tuple[str, ...]:
    """The columns that are read: that of the texts and, where the model reads pairs, the second.

    Raises:
        RowsError: both are one column, or a second one is named and the model reads single texts.
    """
    thing, found = "the column of the second texts", repr(text_pair_column)
    if not manifest.text_pair:
        # Its usual name is nobody's wish.
        if text_pair_column != DEFAULT_FORMAT.text_pair:
            expected = "none, since this bundle's model reads single texts"
            raise RowsError(thing, found=found, expected=expected, hint="Leave the option out.")
        return (text_column,)
    if text_column == text_pair_column:
        expected = "another one than that of the texts"
        raise RowsError(thing, found=found, expected=expected, hint="Name two columns.")
    return text_column, text_pair_column


@dataclass(frozen=True, slots=True)
class _Rows:
    """A batch, and why some of its rows cannot be classified."""

    batch: pa.RecordBatch
    schema: pa.Schema
    errors: list[str | None]
    classified: int

    def scored(self, results: pa.Table) -> pa.RecordBatch:
        new = at_rows(results, [error is None for error in self.errors])
        new["error"] = pa.array(self.errors, pa.string())
        arrays = [
            new[column.name] if column.name in new else self.batch.column(column.name)
            for column in self.schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _error(classifier: DefendedClassifier, texts: Sequence[object]) -> str | None:
    """Why a text, or a pair of texts, cannot be classified."""
    for text, which in zip(texts, ("", "second text: "), strict=False):
        if isinstance(text, bytes):
            return which + "bytes that are not UTF-8"
        try:
            known = require_text(text, "the text")
        except RowsError as error:
            return which + error.found
    # Special tokens around it are tokens; between the texts of a pair there always is one.
    if classifier.tokenizer.special or classifier.tokenizer.encode([known])[0].ids:
        return None
    return "a text of which the tokenizer leaves no tokens"


def _values(column: pa.Array) -> list[str | bytes | None]:
    """The strings of a column; of those that are not UTF-8 the bytes."""
    try:
        values: list[str | bytes | None] = column.to_pylist()
    except UnicodeDecodeError:
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        values = [_decoded(one) for one in plain.cast(pa.large_binary()).to_pylist()]
    return values


def _decoded(given: bytes | None) -> str | bytes | None:
    try:
        return None if given is None else given.decode()
    except UnicodeDecodeError:
        return given


def _column(schema: pa.Schema, name: str, why: str = "") -> pa.Field:
    places = schema.get_all_field_indices(name)
    if len(places) != 1:
        raise RowsError(
            f"the column {name!r}",
            found=f"{len(places) or 'none'} among {', '.join(map(repr, schema.names))}",
            expected=f"one{why}",
            hint="Name a column that is there once.",
        )
    return schema.field(places[0])


def _is_text(kind: pa.DataType) -> bool:
    # A column of nulls alone has a type of its own.
    return kind in (pa.string(), pa.large_string(), pa.string_view(), pa.null())
