"""The golden rows of a bundle: what it must answer on every machine and in every language."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import GOLDEN_FILE
from clampdown_runtime.bundle.strict_json import JsonObject
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import BundleError
from clampdown_runtime.prediction import RawOutputs, to_predictions
from clampdown_runtime.rows.texts import text_or_pair
from clampdown_runtime.sessions.defended_graph import DefendedGraph

GOLDEN_VERSION = 2
"""The newest. Rows of single texts are written in version 1; 2 is that of pairs."""


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """One text or pair, and what the bundle must answer; numbers that are not finite are NaN.

    Attributes:
        text: the text.
        input_ids: its token ids, special tokens included.
        logits: the defended logits, one of each class.
        anomaly_score: the distance from the clean distribution.
        flagged: whether the score is over the bundle's threshold.
        label: the name of the most probable class.
        probability: that of ``label``, see :class:`Prediction`.
        text_pair: the second text of a pair; None of a single text.
        token_type_ids: of a pair, where the graph reads token types; otherwise None.
    """

    text: str
    input_ids: tuple[int, ...]
    logits: tuple[float, ...]
    anomaly_score: float
    flagged: bool
    label: str
    probability: float
    text_pair: str | None = None
    token_type_ids: tuple[int, ...] | None = None

    def run(self, graph: DefendedClassifier | DefendedGraph) -> RawOutputs:
        """What a graph gives for its token ids, alone."""
        types = None if self.token_type_ids is None else [self.token_type_ids]
        return graph.run_ids([self.input_ids], type_ids=types)


@dataclass(frozen=True, slots=True)
class Golden:
    """The golden rows and the absolute tolerance of their numbers."""

    tolerance: float
    rows: tuple[GoldenRow, ...]

    @classmethod
    def from_json(cls, text: str, where: str) -> "Golden":
        """Reads golden rows.

        Args:
            text: the JSON text.
            where: the text's name in error messages, such as its path.

        Raises:
            BundleError: the text is not golden rows of a version that this release reads.
        """
        fields = JsonObject.parse(text, where)
        fields.require_version(GOLDEN_VERSION)
        fields.require_only("format_version", "tolerance", "rows")
        tolerance = fields.number("tolerance")
        if tolerance < 0:
            fields.refuse("tolerance", found=str(tolerance), expected="at least 0")
        pairs = fields.integer("format_version", minimum=1) > 1
        rows = tuple(_row(row, pairs=pairs) for row in fields.children("rows"))
        if not rows:
            fields.refuse("rows", found="no rows", expected="at least one")
        return cls(tolerance, rows)

    def to_json(self) -> str:
        """Writes the golden rows; numbers that are not finite become null."""
        rows = [
            {
                "text": row.text,
                "input_ids": row.input_ids,
                "logits": [_finite(logit) for logit in row.logits],
                "anomaly_score": _finite(row.anomaly_score),
                "flagged": row.flagged,
                "label": row.label,
                "probability": _finite(row.probability),
                **({} if row.text_pair is None else {"text_pair": row.text_pair}),
                **({} if row.token_type_ids is None else {"token_type_ids": row.token_type_ids}),
            }
            for row in self.rows
        ]
        pairs = any(row.text_pair is not None for row in self.rows)
        golden = {"format_version": 2 if pairs else 1, "tolerance": self.tolerance, "rows": rows}
        return json.dumps(golden, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True)
class GoldenMismatch:
    """One value that is not what the golden row says.

    Attributes:
        index: the row's index.
        text: the row's text, of a pair the first one.
        field: the name of the value in the golden row.
        expected: the golden value.
        found: the value on this machine.
    """

    index: int
    text: str
    field: str
    expected: object
    found: object


def read_golden(source: Path | Bundle) -> Golden:
    """Reads golden rows.

    Args:
        source: their file, or a bundle, of which the bytes that were verified are read.

    Raises:
        BundleError: the file cannot be read or does not follow its format.
    """
    path = source.golden_path if isinstance(source, Bundle) else source
    try:
        data = source.read(GOLDEN_FILE) if isinstance(source, Bundle) else path.read_bytes()
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(
            str(path),
            found=f"a file that cannot be read ({error})",
            expected="golden rows in UTF-8",
            hint="Get an unchanged copy of the bundle, or export it again.",
        ) from error
    return Golden.from_json(text, str(path))


def check_golden(classifier: DefendedClassifier, golden: Golden) -> list[GoldenMismatch]:
    """Tokenises every golden text, runs every golden row alone, and compares.

    Returns:
        Every value that differs by more than the tolerance, in order; none when all is well.

    Raises:
        ProviderError: the model failed while it ran.
    """
    return [
        GoldenMismatch(index, row.text, field, expected, found)
        for index, row in enumerate(golden.rows)
        for field, expected, found in _compared(classifier, row)
        if not _equal(expected, found, golden.tolerance)
    ]


def _compared(
    classifier: DefendedClassifier, row: GoldenRow
) -> Iterator[tuple[str, object, object]]:
    if (row.text_pair is not None) != classifier.manifest.text_pair:
        yield "text_pair", row.text_pair is not None, classifier.manifest.text_pair
        return  # The tokenizer reads no such row.
    [encoded] = classifier.tokenizer.encode([text_or_pair(row.text, row.text_pair)])
    yield "input_ids", row.input_ids, tuple(encoded.ids)
    if row.token_type_ids is not None:
        yield "token_type_ids", row.token_type_ids, tuple(encoded.type_ids or ())
    if len(row.input_ids) > classifier.manifest.max_length:
        return  # The graph takes no such row.
    # The golden ids, so that a tokenizer that differs does not hide whether the graph does.
    outputs, manifest = row.run(classifier), classifier.manifest
    [prediction] = to_predictions(outputs, manifest.labels, multi_label=manifest.multi_label)
    for field in ("logits", "anomaly_score", "flagged", "label", "probability"):
        yield field, getattr(row, field), getattr(prediction, field)


def _equal(expected: object, found: object, tolerance: float) -> bool:
    if isinstance(expected, tuple) and isinstance(found, tuple):
        return len(expected) == len(found) and all(
            _equal(one, other, tolerance) for one, other in zip(expected, found, strict=True)
        )
    if isinstance(expected, float) and isinstance(found, float):
        if math.isfinite(expected) and math.isfinite(found):
            return abs(expected - found) <= tolerance
        return not math.isfinite(expected) and not math.isfinite(found)
    return expected == found


def _row(fields: JsonObject, *, pairs: bool) -> GoldenRow:
    keys = ("text", "input_ids", "logits", "anomaly_score", "flagged", "label", "probability")
    fields.require_only(*keys, *(("text_pair", "token_type_ids") if pairs else ()))
    input_ids = fields.integers("input_ids", minimum=0)
    if not input_ids:
        fields.refuse("input_ids", found="no token ids", expected="at least one")
    logits = fields.numbers_or_nulls("logits")
    if not logits:
        fields.refuse("logits", found="no logits", expected="one of each class")
    types = fields.integers("token_type_ids", minimum=0) if fields.has("token_type_ids") else None
    if types is not None and len(types) != len(input_ids):
        fields.refuse(
            "token_type_ids",
            found=f"{len(types)} types",
            expected=f"one of each of {len(input_ids)} ids",
        )
    return GoldenRow(
        text=fields.string("text"),
        input_ids=input_ids,
        logits=tuple(math.nan if logit is None else logit for logit in logits),
        anomaly_score=_number(fields, "anomaly_score"),
        flagged=fields.boolean("flagged"),
        label=fields.string("label"),
        probability=_number(fields, "probability"),
        text_pair=fields.string("text_pair") if pairs else None,
        token_type_ids=types,
    )


def _number(fields: JsonObject, key: str) -> float:
    return math.nan if fields.is_null(key) else fields.number(key)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
