"""Classifies the rows of Arrow record batches: what Spark, Ray and Polars hand over."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import RowsError
from clampdown_runtime.prediction import Prediction
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT
from clampdown_runtime.rows.texts import Text, require_text

LABELS, OWN_LABEL, OWN_LABELS = "labels", "undefended_label", "undefended_labels"
PROBABILITIES = "probabilities"

_SCORED = {
    "label": pa.string(),
    "probability": pa.float64(),
    "anomaly_score": pa.float32(),
    "flagged": pa.bool_(),
    OWN_LABEL: pa.string(),
}


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
    results = _results(manifest, all_probabilities=all_probabilities)
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
            found = list(zip(*(batch.column(name).to_pylist() for name in names), strict=True))
            rows = _Rows(batch, schema, [_error(classifier, texts) for texts in found])
            under_way.append(rows)
            for texts, error in zip(found, rows.errors, strict=True):
                if error is None:
                    yield texts if manifest.text_pair else texts[0]

    for prediction in classifier.stream(texts(), batch_size=batch_size, threshold=threshold):
        # Batches without a text that can be classified wait for no prediction.
        while under_way[0].done:
            yield under_way.popleft().scored(results)
        under_way[0].predictions.append(prediction)
        if under_way[0].done:
            yield under_way.popleft().scored(results)
    while under_way:
        yield under_way.popleft().scored(results)


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
    new = {**_results(manifest, all_probabilities=all_probabilities), "error": pa.string()}
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


def _results(manifest: Manifest, *, all_probabilities: bool) -> dict[str, pa.DataType]:
    """The columns that a prediction's attributes go to, which have their names."""
    new = {**_SCORED}
    if manifest.multi_label:
        new[LABELS] = new[OWN_LABELS] = pa.list_(pa.string())
    if all_probabilities:
        new[PROBABILITIES] = pa.struct([(label, pa.float64()) for label in manifest.labels])
    return new


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

    def scored(self, results: Iterable[str]) -> pa.RecordBatch:
        given = iter(self.predictions)
        rows = [next(given) if error is None else None for error in self.errors]
        new: dict[str, list[object]] = {
            name: [None if row is None else getattr(row, name) for row in rows] for name in results
        }
        new["error"] = [*self.errors]
        arrays = [
            pa.array(new[column.name], column.type)
            if column.name in new
            else self.batch.column(column.name)
            for column in self.schema
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _error(classifier: DefendedClassifier, texts: Sequence[object]) -> str | None:
    """Why a text, or a pair of texts, cannot be classified."""
    for text, which in zip(texts, ("", "second text: "), strict=False):
        try:
            known = require_text(text, "the text")
        except RowsError as error:
            return which + error.found
    # Special tokens around it are tokens; between the texts of a pair there always is one.
    if classifier.tokenizer.special or classifier.tokenizer.encode([known])[0].ids:
        return None
    return "a text of which the tokenizer leaves no tokens"


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
