"""How well a bundle keeps clean rows and stops poisoned ones, beside the undefended model."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clampdown.measure.accuracies import (
    Accuracies,
    Answers,
    accuracies_of,
    label_accuracies_of,
    percent,
)
from clampdown.measure.undefended_session import undefended_file
from clampdown_runtime.batching import plan_batches
from clampdown_runtime.bundle.manifest import ROWS_ALONE, Manifest
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import ClampdownError
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.rows.class_labels import resolve_label, resolve_labels
from clampdown_runtime.rows.read_rows import read_rows
from clampdown_runtime.rows.row import Row
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT, RowFormat
from clampdown_runtime.rows.texts import Text, require_text_or_pair, text_or_pair
from clampdown_runtime.sessions.providers import Provider
from clampdown_runtime.sessions.session import create_session
from clampdown_runtime.tokenizer import Encoded, pad_batch, type_ids_of

if TYPE_CHECKING:
    import onnxruntime

_BATCH = 32
_STEP = 512
"""Rows between two calls of the progress; rows of like length are batched within a step."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A bundle beside its undefended model, on the same token ids.

    Attributes:
        defended: the bundle's accuracies.
        undefended: the same network's without the defence.
        right_to_wrong: answers to clean rows that the undefended model alone gets right: one to
            each, or to each label of it.
        wrong_to_right: answers to clean rows that the bundle alone gets right.
        frr: clean rows flagged, in percent.
        far: poisoned rows not flagged, those of the target left out, in percent; None without any.
        auroc: how well the anomaly score tells poisoned from clean rows: the chance, 0 to 1, that
            a poisoned row, those of the target left out, has the higher score; None without any.
        target_label: the name of the label that the trigger leads to.
        clean_rows: how many clean rows there were.
        poisoned_rows: how many poisoned rows there were; None without them.
        truncated_rows: rows longer than the bundle's ``max_length``, seen in part.
    """

    defended: Accuracies
    undefended: Accuracies
    right_to_wrong: int
    wrong_to_right: int
    frr: float
    far: float | None
    auroc: float | None
    target_label: str | None
    clean_rows: int
    poisoned_rows: int | None
    truncated_rows: int


def evaluate(
    bundle: str | Path,
    clean: str | Path,
    *,
    poisoned: str | Path | None = None,
    target_label: int | str | None = None,
    row_format: RowFormat = DEFAULT_FORMAT,
    provider: Provider = "cpu",
    expected_digest: str | None = None,
    progress: Progress = silent,
) -> Evaluation:
    """Measure a bundle on labelled rows; the rows are held in memory.

    Args:
        bundle: the bundle's folder.
        clean: rows with texts and labels, see :func:`clampdown_runtime.read_rows`; of a model of
            many labels with lists of them.
        poisoned: rows that carry the trigger, with their true label. Those that truly have the
            target label are counted apart, as TACC.
        target_label: the name or the index of the label that the trigger leads to.
        row_format: of both files.
        provider: where both models run.
        expected_digest: of the bundle's manifest, see :meth:`DefendedClassifier.load`.
        progress: told about every few hundred rows.

    Raises:
        ClampdownError: only one of ``poisoned`` and ``target_label`` is given, or a package of the
            extra ``export`` is missing.
        BundleError: the bundle is damaged, incomplete or changed.
        RowsError: a file cannot be used, a row has no label that the bundle knows, or is a pair of
            texts where the bundle's model reads single ones, or the other way round.
        ProviderError: ONNX Runtime or the provider is not usable.

    Warns:
        LabelColumnWarning: there is no column ``label``, but one that may be it.
    """
    if (poisoned is None) != (target_label is None):
        raise ClampdownError(
            "the poisoned rows",
            found="no target label" if target_label is None else "only a target label",
            expected="both or neither",
            hint="Pass the poisoned rows with the label that their trigger leads to.",
        )
    classifier = DefendedClassifier.load(bundle, provider=provider, expected_digest=expected_digest)
    names = classifier.manifest.labels
    target = None
    if target_label is not None:
        target = resolve_label(target_label, names, where="the target label")
    pairs = classifier.manifest.text_pair
    multi_label = classifier.manifest.multi_label
    row_format = dataclasses.replace(row_format, label_lists=multi_label)
    clean_rows = _labelled(Path(clean), names, row_format, pairs=pairs)
    poisoned_rows = None
    if poisoned is not None:
        poisoned_rows = _labelled(Path(poisoned), names, row_format, pairs=pairs)
    with undefended_file(classifier.bundle) as path:
        session = create_session(path, provider=provider)
        on_clean = _answers(classifier, session, clean_rows, "Clean rows", progress)
        on_poisoned = None
        if poisoned_rows is not None:
            on_poisoned = _answers(classifier, session, poisoned_rows, "Poisoned rows", progress)
    attacked = None
    if on_poisoned is not None and not on_poisoned.has(target).all():
        attacked = on_poisoned.of(~on_poisoned.has(target))
    accuracies = label_accuracies_of if multi_label else accuracies_of
    was, now = (given == on_clean.labels for given in (on_clean.undefended, on_clean.defended))
    return Evaluation(
        defended=accuracies(on_clean, on_poisoned, target, "defended"),
        undefended=accuracies(on_clean, on_poisoned, target, "undefended"),
        right_to_wrong=int((was & ~now).sum()),
        wrong_to_right=int((~was & now).sum()),
        frr=percent(on_clean.flagged),
        far=None if attacked is None else percent(~attacked.flagged),
        auroc=None if attacked is None else auroc(on_clean.scores, attacked.scores),
        target_label=None if target is None else names[target],
        clean_rows=len(clean_rows),
        poisoned_rows=None if poisoned_rows is None else len(poisoned_rows),
        truncated_rows=on_clean.truncated + (on_poisoned.truncated if on_poisoned else 0),
    )


def auroc(clean: npt.NDArray[np.floating], poisoned: npt.NDArray[np.floating]) -> float:
    """The chance that a poisoned row has a higher score than a clean one; ties count half.

    Args:
        clean: scores of clean rows, at least one; NaN counts as the highest, since it is flagged.
        poisoned: scores of poisoned rows, at least one.

    Returns:
        0 to 1.
    """
    scores = np.concatenate([clean, poisoned])
    scores[np.isnan(scores)] = np.inf
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    lowest = len(poisoned) * (len(poisoned) + 1) / 2
    wins = ranks[len(clean) :].sum() - lowest
    return float(wins / (len(clean) * len(poisoned)))


def _labelled(
    path: Path, names: Sequence[str], row_format: RowFormat, *, pairs: bool
) -> list[tuple[Text, int | tuple[int, ...]]]:
    def labelled(row: Row) -> tuple[Text, int | tuple[int, ...]]:
        where = f"{path}, line {row.line}"
        text = require_text_or_pair(text_or_pair(row.text, row.text_pair), where, pairs=pairs)
        if row_format.label_lists:
            return text, resolve_labels(row.given, names, where=where)
        return text, resolve_label(row.label, names, where=where)

    return [labelled(row) for row in read_rows(path, row_format)]


def _answers(
    classifier: DefendedClassifier,
    undefended: "onnxruntime.InferenceSession",
    rows: Sequence[tuple[Text, int | tuple[int, ...]]],
    stage: str,
    progress: Progress,
) -> Answers:
    count, truncated = len(rows), 0
    labels = np.array([label for _, label in rows], np.int64)
    defended_labels, undefended_labels = np.empty((2, *labels.shape), np.int64)
    scores, flagged = np.empty(count, np.float32), np.empty(count, np.bool_)
    progress(stage, 0, count)
    for start in range(0, count, _STEP):
        encoded = classifier.tokenizer.encode([text for text, _ in rows[start : start + _STEP]])
        truncated += sum(item.truncated for item in encoded)
        outputs = classifier.run_encoded(encoded, batch_size=_BATCH)
        step = slice(start, start + len(encoded))
        defended_labels[step] = _said(outputs.logits, classifier.manifest)
        scores[step], flagged[step] = outputs.anomaly_score, outputs.flagged
        undefended_labels[step] = _undefended_labels(undefended, encoded, classifier.manifest)
        progress(stage, step.stop, count)
    return Answers(labels, defended_labels, undefended_labels, scores, flagged, truncated)


def _undefended_labels(
    session: "onnxruntime.InferenceSession", rows: Sequence[Encoded], manifest: Manifest
) -> npt.NDArray[np.int64]:
    logits = np.empty((len(rows), len(manifest.labels)), np.float32)
    batch_size = 1 if manifest.precision in ROWS_ALONE else _BATCH
    for batch in plan_batches([len(row.ids) for row in rows], batch_size):
        given = [rows[index] for index in batch]
        ids = [row.ids for row in given]
        feed = pad_batch(ids, manifest.padding, manifest.inputs, type_ids_of(given))
        [logits[batch]] = session.run(["logits"], feed)
    return _said(logits, manifest)


def _said(logits: npt.NDArray[np.float32], manifest: Manifest) -> npt.NDArray[np.int64]:
    """The class of each row, or which labels it is given."""
    return (logits > 0).astype(np.int64) if manifest.multi_label else logits.argmax(axis=1)
