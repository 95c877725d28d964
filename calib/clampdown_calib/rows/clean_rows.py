"""The clean rows of a calibration: read, checked, tokenised and, where asked, split in two."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.models.tokenizer.tokenization import Tokenization
from clampdown_calib.threshold import fewest_scores
from clampdown_runtime.batching import plan_batches
from clampdown_runtime.bundle.manifest import ProblemType
from clampdown_runtime.errors import CalibrationError, RowsError
from clampdown_runtime.rows.class_labels import resolve_label, resolve_labels
from clampdown_runtime.rows.read_rows import read_rows
from clampdown_runtime.rows.row import Row
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT, RowFormat
from clampdown_runtime.rows.texts import require_text, text_or_pair
from clampdown_runtime.tokenizer import pad_batch, type_ids_of

Use = Literal["fit", "held-out"]
"""What rows are read for."""

Part = Literal["fit", "held-out", "both"]
"""What a row is there for."""

BATCH_SIZE = 32

FEWEST_TO_FIT = 20
"""Fewer rows than this fit no statistic worth the name, whatever the false rejection rate."""


@dataclass(frozen=True, slots=True)
class CleanRow:
    """One clean row.

    Attributes:
        text: the text.
        label: its class, or of a model of many labels the answer to each, 1 where it has the label
            and 0 where not; None where the file has none.
        part: ``fit`` rows fit the defence, ``held-out`` rows set the threshold; ``both`` do either,
            each held out of one of several fits.
        text_pair: the second text, where the rows are pairs.
    """

    text: str
    label: int | tuple[int, ...] | None
    part: Part
    text_pair: str | None = None


def read_clean_rows(
    path: Path,
    labels: Sequence[str],
    row_format: RowFormat = DEFAULT_FORMAT,
    *,
    frr: float,
    halves: bool,
    seed: int,
    problem_type: ProblemType = "single_label_classification",
) -> tuple[CleanRow, ...]:
    """Read clean rows.

    Args:
        path: rows with texts and, if known, labels, see :func:`read_rows`.
        labels: the model's.
        row_format: the columns of the file.
        frr: false rejection rate that the threshold has to hold, 0 to 1.
        halves: split them at random: one half to fit, one for the threshold. Otherwise all do both.
        seed: of the split.
        problem_type: the model's; a row of one of many labels has a list of them.

    Raises:
        RowsError: the file or a row is unusable, or a label is not the model's.
        CalibrationError: there are too few rows for the false rejection rate.

    Warns:
        LabelColumnWarning: there is no column ``label``, but one that may be it.
    """
    multi_label = problem_type == "multi_label_classification"
    rows = list(read_rows(path, dataclasses.replace(row_format, label_lists=multi_label)))
    labelled = [row for row in rows if row.given is not None]
    if labelled and len(labelled) < len(rows):
        missing = next(row for row in rows if row.given is None)
        raise RowsError(
            f"{path}, line {missing.line}",
            found="no label, though other rows have one",
            expected="a label in every row or in none",
            hint="Add the label or leave the column out.",
        )
    needed = rows_needed(frr, halves=halves)
    if len(rows) < needed:
        raise CalibrationError(
            f"The clean rows in {path}",
            found=f"{len(rows)} rows",
            expected=f"at least {needed} to hold a false rejection rate of {frr:g}",
            hint="Add clean rows or ask for a higher rate.",
        )
    parts: list[Part] = ["both"] * len(rows)
    if halves:
        order = np.random.default_rng(seed).permutation(len(rows))
        for place, index in enumerate(order):
            parts[index] = "held-out" if place < len(rows) // 2 else "fit"

    def label_of(row: Row) -> int | tuple[int, ...] | None:
        where = f"{path}, line {row.line}"
        if row.given is None:
            return None
        if multi_label:
            return resolve_labels(row.given, labels, where=where)
        return resolve_label(row.label, labels, where=where)

    return tuple(
        CleanRow(row.text, label_of(row), part, row.text_pair)
        for row, part in zip(rows, parts, strict=True)
    )


def rows_needed(frr: float, *, halves: bool) -> int:
    """Clean rows that a false rejection rate needs, both halves together where there are two.

    The threshold is a held-out score that at most a share ``frr`` of new clean scores exceeds (see
    :func:`clampdown_calib.threshold.threshold_at`).
    """
    if halves:
        return 2 * max(fewest_scores(frr), FEWEST_TO_FIT)
    return max(fewest_scores(frr), 2 * FEWEST_TO_FIT)


@dataclass(frozen=True, slots=True)
class EncodedRows:
    """Tokenised rows.

    Attributes:
        ids: token ids of each row.
        labels: int64 ``[n]``, of a model of many labels ``[n, C]``; or None without labels.
        tokenization: of the model that they are for.
        batch_size: the most rows in one run.
        types: token types of each row; None where all are zero, as of single texts.
    """

    ids: list[list[int]]
    labels: NDArray[np.int64] | None
    tokenization: Tokenization
    batch_size: int = BATCH_SIZE
    types: list[list[int]] | None = None

    def batches(self) -> Iterator[tuple[list[int], dict[str, NDArray[np.int64]]]]:
        """Row numbers and padded inputs int64 ``[n, T]``, rows of like length together."""
        for rows in plan_batches([len(ids) for ids in self.ids], self.batch_size):
            yield (
                rows,
                pad_batch(
                    [self.ids[row] for row in rows],
                    self.tokenization.padding,
                    self.tokenization.inputs,
                    self.types and [self.types[row] for row in rows],
                ),
            )


def encode_rows(rows: Sequence[CleanRow], use: Use, tokenization: Tokenization) -> EncodedRows:
    """Tokenise the rows that fit the defence, or those that set the threshold.

    Raises:
        RowsError: the tokenizer leaves nothing of a row.
    """
    chosen = [row for row in rows if row.part in (use, "both")]
    encoded = tokenization.encoded([text_or_pair(row.text, row.text_pair) for row in chosen])
    for row, item in zip(chosen, encoded, strict=True):
        if not item.ids:
            raise RowsError(
                f"The clean row {row.text[:40]!r}",
                found="a text of which the tokenizer leaves no tokens",
                expected="at least one token",
                hint="Correct it or leave it out.",
            )
    ids, types = [item.ids for item in encoded], type_ids_of(encoded)
    return EncodedRows(ids, labels_of(rows, use), tokenization, types=types)


def are_pairs(rows: Sequence[CleanRow]) -> bool:
    """Whether the rows are pairs of texts: all of them are, or none is."""
    return any(row.text_pair is not None for row in rows)


def labels_of(rows: Sequence[CleanRow], use: Use) -> NDArray[np.int64] | None:
    """The classes of the rows that fit the defence, or of those that set the threshold.

    Returns:
        int64 ``[n]``, of a model of many labels ``[n, C]``; None where a row has none.
    """
    chosen = [row.label for row in rows if row.part in (use, "both")]
    labels = [label for label in chosen if label is not None]
    return np.array(labels, dtype=np.int64) if len(labels) == len(chosen) else None


def rows_to_jsonl(rows: Sequence[CleanRow]) -> str:
    """One JSON object a row with ``text``, ``label``, ``part`` and, of pairs, ``text_pair``."""
    fields = (
        {"text": row.text, "label": row.label, "part": row.part}
        | ({} if row.text_pair is None else {"text_pair": row.text_pair})
        for row in rows
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in fields)


def rows_from_jsonl(text: str, classes: int, *, multi_label: bool = False) -> tuple[CleanRow, ...]:
    """The rows that :func:`rows_to_jsonl` wrote.

    Raises:
        ValueError, TypeError: a line is no such row, or its label none of so many classes.
        RowsError: its text is none.
        RecursionError: one is nested without an end.
    """
    # Not splitlines: JSON leaves line separators such as U+2028 in a text as they are.
    rows = tuple(_with_tuple(CleanRow(**json.loads(line))) for line in text.split("\n") if line)
    pairs = are_pairs(rows)
    is_known = _is_answers if multi_label else _is_class
    for number, row in enumerate(rows, 1):
        require_text(row.text, f"line {number}")
        if pairs:
            require_text(row.text_pair, f"line {number}, the second text")
        known = row.label is None or is_known(row.label, classes)
        if not known or row.part not in get_args(Part):
            raise ValueError(f"line {number} with the label {row.label!r} and part {row.part!r}")
    return rows


def _with_tuple(row: CleanRow) -> CleanRow:
    """JSON knows lists alone."""
    return dataclasses.replace(row, label=tuple(row.label)) if isinstance(row.label, list) else row


def _is_class(label: object, classes: int) -> bool:
    return type(label) is int and 0 <= label < classes


def _is_answers(label: object, classes: int) -> bool:
    return (
        isinstance(label, tuple)
        and len(label) == classes
        and all(type(answer) is int and answer in (0, 1) for answer in label)
    )
