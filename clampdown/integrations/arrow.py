"""Classifies the rows of Arrow record batches: what Spark, Ray and Polars hand over."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from clampdown.integrations.plain_rows import require_plain_rows
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import RowsError
from clampdown_runtime.prediction import Prediction
from clampdown_runtime.rows.texts import require_text

PROBABILITIES = "probabilities"

_SCORED = {
    "label": pa.string(),
    "probability": pa.float64(),
    "anomaly_score": pa.float32(),
    "flagged": pa.bool_(),
}


def classify_batches(
    classifier: DefendedClassifier,
    batches: Iterable[pa.RecordBatch],
    *,
    text_column: str = "text",
    columns: Sequence[str] | None = None,
    batch_size: int = 32,
    threshold: float | None = None,
    all_probabilities: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Classifies the rows of record batches, of which it holds few at a time.

    A row without a text that can be classified (null, empty, white space) ends nothing: its new
    columns are null, and ``error`` says why.

    Args:
        classifier: a loaded bundle.
        batches: all of one schema.
        text_column: the column of the texts, strings or a dictionary of strings.
        columns: the input's columns to keep; all of them when None.
        batch_size: the most texts in one run of the model.
        threshold: takes the place of the bundle's own threshold.
        all_probabilities: add the column ``probabilities``, a struct of each label's probability.

    Yields:
        For each batch one of as many rows, in their order, after :func:`scored_schema`.

    Raises:
        ClampdownError: the model reads pairs of texts, or gives any number of labels.
        RowsError: a column is missing, is there twice or has a name that is needed for a result,
            or the texts are no strings.
        ProviderError: the model failed while it ran.

    Warns:
        TruncationWarning: once at the end, when texts were longer than ``max_length``.
    """
    require_plain_rows(classifier.manifest, "Record batches")
    labels = classifier.manifest.labels if all_probabilities else ()
    under_way: deque[_Rows] = deque()

    def texts() -> Iterator[str]:
        for batch in batches:
            schema = scored_schema(batch.schema, text_column, columns=columns, labels=labels)
            found = batch.column(text_column).to_pylist()
            rows = _Rows(batch, schema, [_error(classifier, text) for text in found])
            under_way.append(rows)
            yield from (
                text for text, error in zip(found, rows.errors, strict=True) if error is None
            )

    for prediction in classifier.stream(texts(), batch_size=batch_size, threshold=threshold):
        # Batches without a text that can be classified wait for no prediction.
        while under_way[0].done:
            yield under_way.popleft().scored(labels)
        under_way[0].predictions.append(prediction)
        if under_way[0].done:
            yield under_way.popleft().scored(labels)
    while under_way:
        yield under_way.popleft().scored(labels)


def scored_schema(
    schema: pa.Schema,
    text_column: str = "text",
    *,
    columns: Sequence[str] | None = None,
    labels: Sequence[str] = (),
) -> pa.Schema:
    """The columns of the results: those of the input that are kept, and behind them the new ones.

    ``label`` (string), ``probability`` (float64), ``anomaly_score`` (float32), ``flagged`` (bool),
    with ``labels`` also ``probabilities`` (a struct of float64), and ``error`` (string), which is
    null where the others are not. The schema's own metadata, which is about its columns, goes.

    Args:
        schema: of the input.
        text_column: the column of the texts.
        columns: the input's columns to keep; all of them when None.
        labels: those of the bundle, where the probability of each is wanted.

    Raises:
        RowsError: see :func:`classify_batches`.
    """
    kind = _column(schema, text_column).type
    if not _is_text(kind.value_type if pa.types.is_dictionary(kind) else kind):
        raise RowsError(
            f"the column {text_column!r}",
            found=f"values of the type {kind}",
            expected="strings",
            hint="Name the column of the texts, or convert it.",
        )
    new = {**_SCORED}
    if labels:
        new[PROBABILITIES] = pa.struct([(label, pa.float64()) for label in labels])
    new["error"] = pa.string()
    kept = [_column(schema, name) for name in (schema.names if columns is None else columns)]
    if taken := [column.name for column in kept if column.name in new]:
        raise RowsError(
            "the columns to keep",
            found=f"{', '.join(taken)}, the name of a result",
            expected="other names",
            hint="Name the columns to keep, without it, or rename it.",
        )
    return pa.schema([*kept, *(pa.field(name, kind) for name, kind in new.items())])


@dataclass
class _Rows:
    """A batch, why some of its rows cannot be classified, and the results of the others so far."""

    batch: pa.RecordBatch
    schema: pa.Schema
    errors: list[str | None]
    predictions: list[Prediction] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return len(self.predictions) == self.errors.count(None)

    def scored(self, labels: Sequence[str]) -> pa.RecordBatch:
        given = iter(self.predictions)
        rows = [next(given) if error is None else None for error in self.errors]
        new: dict[str, list[object]] = {
            name: [None if row is None else getattr(row, name) for row in rows] for name in _SCORED
        }
        if labels:
            new[PROBABILITIES] = [
                None if row is None else dict(zip(labels, row.probabilities, strict=True))
                for row in rows
            ]
        new["error"] = [*self.errors]
        arrays = [
            pa.array(new[column.name], column.type)
            if column.name in new
            else self.batch.column(column.name)
            for column in self.schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _error(classifier: DefendedClassifier, text: object) -> str | None:
    """Why a text cannot be classified."""
    try:
        known = require_text(text, "the text")
    except RowsError as error:
        return error.found
    # Special tokens around it are tokens.
    if classifier.tokenizer.special or classifier.tokenizer.encode([known])[0].ids:
        return None
    return "a text of which the tokenizer leaves no tokens"


def _column(schema: pa.Schema, name: str) -> pa.Field:
    places = schema.get_all_field_indices(name)
    if len(places) != 1:
        raise RowsError(
            f"the column {name!r}",
            found=f"{len(places) or 'none'} among {', '.join(map(repr, schema.names))}",
            expected="one",
            hint="Name a column that is there once.",
        )
    return schema.field(places[0])


def _is_text(kind: pa.DataType) -> bool:
    # A column of nulls alone has a type of its own.
    return kind in (pa.string(), pa.large_string(), pa.string_view(), pa.null())
