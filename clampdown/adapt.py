"""Calibrates a bundle's model again, with rows that people have reviewed among the clean ones."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from clampdown.defend import defend
from clampdown.extras import needs_extra
from clampdown.reviewed_rows import FileRows, read_clean, read_reviewed, text_of
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import CalibrationError, ModelError
from clampdown_runtime.prediction import Prediction
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.rows.class_labels import resolve_label, resolve_labels
from clampdown_runtime.rows.refusals import at
from clampdown_runtime.rows.row import Row
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT, RowFormat
from clampdown_runtime.writing.atomic_write import require_free
from clampdown_runtime.writing.working_folder import scratch_folder

if TYPE_CHECKING:
    from clampdown_calib import Method

_METHODS: "Mapping[str, Method]" = {"excess": "probe", "nas": "badacts"}


@dataclass(frozen=True, slots=True)
class Change:
    """What two bundles say of the same rows.

    Attributes:
        rows: how many there are.
        flagged: share of them that is flagged, before and after, 0 to 1.
        accuracy: share of them that gets its label, before and after; of many labels that of the
            answers to every label of the rows. None where a row has none.
    """

    rows: int
    flagged: tuple[float, float]
    accuracy: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Adaptation:
    """A bundle beside the one that it was adapted from.

    Attributes:
        bundle: the new one's folder.
        digest: ``sha256:…`` of its manifest's file.
        threshold: of the anomaly score, before and after; the scores are other ones, too.
        clean: on the clean rows, which are calibrated on before and after.
        reviewed_clean: on the reviewed rows that are clean, calibrated on after, not before.
        attacks: on the confirmed attacks, which nothing is fitted on; None without any.
    """

    bundle: Path
    digest: str
    threshold: tuple[float, float]
    clean: Change
    reviewed_clean: Change
    attacks: Change | None


@needs_extra("adapt")
def adapt(
    bundle: str | Path,
    model: str | Path,
    clean: str | Path,
    reviewed: str | Path,
    out: str | Path,
    *,
    row_format: RowFormat = DEFAULT_FORMAT,
    allow_pickle: bool = False,
    expected_digest: str | None = None,
    progress: Progress = silent,
) -> Adaptation:
    """Make a new bundle like another one, from its clean rows and reviewed ones.

    Reviewed rows that are clean are calibrated on together with the clean rows; confirmed attacks
    test the result alone. The old bundle stays as it is.

    Args:
        bundle: the bundle to begin with; mode, precision, layers and rate are taken from it.
        model: what it was made of.
        clean: the clean rows that it was calibrated on, or newer ones.
        reviewed: rows with texts and a ``verdict``, ``clean`` or ``attack``, and with labels where
            the clean rows have them. Of equal texts, or pairs, one is taken, of those in ``clean``
            none.
        out: the bundle to write: a new or empty folder.
        row_format: the columns of both files.
        allow_pickle: accept a pickled checkpoint, loaded with ``weights_only``.
        expected_digest: of the manifest of ``bundle``.
        progress: told about every step.

    Raises:
        RowsError: a file cannot be used, has pairs of texts where the bundle's model reads single
            ones or the other way round, a verdict is none or contradicts another one, no reviewed
            row is clean, or more of them are than there are clean rows.
        ModelError: the model is another one than the bundle's.
        CalibrationError: the bundle was made by an earlier release or its threshold set by value.
        ClampdownError: as :func:`clampdown.defend` does.
    """
    require_free(Path(out))
    before = DefendedClassifier.load(bundle, expected_digest=expected_digest)
    manifest = before.manifest
    method, frr = _fitted_by(before.bundle)
    _require_same_model(model, manifest, allow_pickle=allow_pickle)
    known = read_clean(Path(clean), row_format, manifest)
    passed, attacks = read_reviewed(Path(reviewed), row_format, manifest, known)
    with scratch_folder() as place:
        together = place / "clean.jsonl"
        together.write_text(_lines((*known.rows, *passed.rows)), "utf-8")
        result = defend(
            model,
            together,
            out,
            mode=manifest.mode,
            precision=manifest.precision,
            file_format="ort" if _holds(manifest, ".ort") else "onnx",
            with_tokenizer=manifest.text_model_file is not None,
            method=method,
            layers=manifest.layers,
            representation=manifest.representation,
            frr=frr,
            allow_pickle=allow_pickle,
            progress=progress,
        )
    after = DefendedClassifier.load(result.bundle, expected_digest=result.digest)
    return Adaptation(
        result.bundle,
        result.digest,
        (manifest.threshold, after.manifest.threshold),
        _change(known, before, after),
        _change(passed, before, after),
        _change(attacks, before, after) if attacks.rows else None,
    )


def _change(rows: FileRows, before: DefendedClassifier, after: DefendedClassifier) -> Change:
    """What two classifiers with the same labels say of rows."""
    texts = [text_of(row) for row in rows.rows]
    labels = _labels(rows, before.manifest)
    flagged, right = [], []
    for classifier in (before, after):
        predictions = list(classifier.stream(texts))
        flagged.append(float(np.mean([prediction.flagged for prediction in predictions])))
        if labels is not None:
            right.append(float(np.mean(labels == _said(predictions, before.manifest))))
    return Change(len(texts), (flagged[0], flagged[1]), (right[0], right[1]) if right else None)


def _labels(rows: FileRows, manifest: Manifest) -> npt.NDArray[np.int64] | None:
    """The class of each row or, ``[n, C]``, 1 for each of many labels that it has."""
    if any(row.given is None for row in rows.rows):
        return None
    names = manifest.labels
    return np.array(
        [
            resolve_labels(row.given, names, where=at(rows.path, row.line))
            if manifest.multi_label
            else resolve_label(row.label, names, where=at(rows.path, row.line))
            for row in rows.rows
        ]
    )


def _said(predictions: Sequence[Prediction], manifest: Manifest) -> npt.NDArray[np.int64]:
    """What was answered, as :func:`_labels` has it."""
    names = manifest.labels
    if manifest.multi_label:
        return np.array([[int(name in (p.labels or ())) for name in names] for p in predictions])
    return np.array([names.index(prediction.label) for prediction in predictions])


def _fitted_by(bundle: Bundle) -> tuple["Method", float]:
    """The method of a bundle and the false rejection rate that was asked for."""
    method, frr = _METHODS.get(bundle.manifest.detector), bundle.manifest.frr
    if method is None:
        raise CalibrationError(
            str(bundle.path),
            found=f"the detector {bundle.manifest.detector} of an earlier release",
            expected="a bundle that this release can calibrate again",
            hint="Make a new one: clampdown defend.",
        )
    if frr is None:
        raise CalibrationError(
            str(bundle.path),
            found="a threshold that was set by value",
            expected="one that holds a false rejection rate",
            hint="Move it to a rate first: clampdown threshold BUNDLE --frr 0.1",
        )
    return method, frr


def _require_same_model(model: str | Path, manifest: Manifest, *, allow_pickle: bool) -> None:
    from clampdown_calib.models.model_folder import open_model  # noqa: PLC0415 - imports torch

    digest = open_model(model, allow_pickle=allow_pickle).digest()
    if digest != manifest.model.digest:
        raise ModelError(
            str(model),
            found=f"a model with the digest {digest}",
            expected=f"the bundle's, {manifest.model.digest}",
            hint="Pass the model that the bundle was made of, or make a new one of this model.",
        )


def _lines(rows: Sequence[Row]) -> str:
    """The rows as a file that is read with the default format."""
    return "".join(
        json.dumps(
            {"text": row.text}
            | ({} if row.text_pair is None else {"text_pair": row.text_pair})
            | ({} if row.given is None else {"label": row.given})
        )
        + "\n"
        for row in rows
    )


def _holds(manifest: Manifest, ending: str) -> bool:
    return any(name.endswith(ending) for name in manifest.files)
