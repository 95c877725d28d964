"""Calibrates a bundle's model again, with rows that people have reviewed among the clean ones."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import eq
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from clampdown.defend import defend
from clampdown.extras import needs_extra
from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import CalibrationError, ModelError, RowsError
from clampdown_runtime.progress import Progress, silent
from clampdown_runtime.rows.class_labels import resolve_label
from clampdown_runtime.rows.read_rows import read_rows
from clampdown_runtime.rows.row import Row
from clampdown_runtime.rows.row_format import DEFAULT_FORMAT, RowFormat
from clampdown_runtime.writing.atomic_write import require_free
from clampdown_runtime.writing.working_folder import scratch_folder

if TYPE_CHECKING:
    from clampdown_calib import Method

VERDICT = "verdict"
CLEAN, ATTACK = "clean", "attack"

_METHODS: "Mapping[str, Method]" = {"excess": "probe", "nas": "badacts"}


@dataclass(frozen=True, slots=True)
class Change:
    """What two bundles say of the same rows.

    Attributes:
        rows: how many there are.
        flagged: share of them that is flagged, before and after, 0 to 1.
        accuracy: share of them that gets its label, before and after; None where a row has none.
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
            the clean rows have them. Of equal texts one is taken, of those in ``clean`` none.
        out: the bundle to write: a new or empty folder.
        row_format: the columns of both files.
        allow_pickle: accept a pickled checkpoint, loaded with ``weights_only``.
        expected_digest: of the manifest of ``bundle``.
        progress: told about every step.

    Raises:
        RowsError: a file cannot be used, a verdict is none or contradicts another one, no reviewed
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
    known = _Rows(Path(clean), list(read_rows(clean, row_format)))
    passed, attacks = _reviewed(Path(reviewed), row_format, known)
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
            with_tokenizer=_holds(manifest, "_with_tokenizer.onnx"),
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
        known.change(before, after),
        passed.change(before, after),
        attacks.change(before, after) if attacks.rows else None,
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    path: Path
    rows: Sequence[Row]

    def change(self, before: DefendedClassifier, after: DefendedClassifier) -> Change:
        """What two classifiers with the same labels say of them."""
        names = before.manifest.labels
        texts = [row.text for row in self.rows]
        flagged, right = [], []
        for classifier in (before, after):
            predictions = list(classifier.stream(texts))
            flagged.append(float(np.mean([prediction.flagged for prediction in predictions])))
            if all(row.label is not None for row in self.rows):
                labels = (names[resolve_label(r.label, names, where=self.at(r))] for r in self.rows)
                given = (prediction.label for prediction in predictions)
                right.append(float(np.mean([*map(eq, labels, given)])))
        return Change(
            len(self.rows), (flagged[0], flagged[1]), (right[0], right[1]) if right else None
        )

    def at(self, row: Row) -> str:
        """The name of a row in an error."""
        return f"{self.path}, line {row.line}"


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


def _reviewed(path: Path, row_format: RowFormat, known: _Rows) -> tuple[_Rows, _Rows]:
    """The reviewed rows that are clean, and the attacks."""
    verdicts = RowFormat(row_format.text, VERDICT, row_format.delimiter)
    labelled = known.rows[0].label is not None
    seen = {row.text: CLEAN for row in known.rows}
    of: dict[str, list[Row]] = {CLEAN: [], ATTACK: []}
    for row, given in zip(read_rows(path, row_format), read_rows(path, verdicts), strict=True):
        where = f"{path}, line {row.line}"
        if given.label not in of:
            raise RowsError(
                where,
                found=f"the verdict {given.label!r}",
                expected=f"{CLEAN} or {ATTACK}",
                hint="Correct it, or leave out what nobody has reviewed.",
            )
        verdict = str(given.label)
        if seen.setdefault(row.text, verdict) != verdict:
            raise RowsError(
                where,
                found=f"the verdict {verdict} of a text that is {seen[row.text]} elsewhere",
                expected="one verdict for each text, and no attack among the clean rows",
                hint="Find out which is right; leave the row out where nobody knows.",
            )
        if (verdict == CLEAN or labelled) and (row.label is not None) != labelled:
            raise RowsError(
                where,
                found="no label" if labelled else "a label",
                expected="labels where the clean rows have them, and none otherwise",
                hint="Give every row the label that people found right, or leave the column out.",
            )
        of[verdict].append(row)
    texts = {row.text for row in known.rows}
    passed = list({row.text: row for row in of[CLEAN] if row.text not in texts}.values())
    attacks = list({row.text: row for row in of[ATTACK]}.values())
    if not 1 <= len(passed) <= len(known.rows):
        raise RowsError(
            str(path),
            found=f"{len(passed)} clean rows that are new",
            expected=f"at least one and at most {len(known.rows)}, as many as the clean rows are",
            hint="At least half of a calibration has to be rows that no sender could choose: add "
            "clean rows, or leave reviewed ones out at random.",
        )
    return _Rows(path, passed), _Rows(path, attacks)


def _lines(rows: Sequence[Row]) -> str:
    return "".join(
        json.dumps(
            {"text": row.text} if row.label is None else {"text": row.text, "label": row.label}
        )
        + "\n"
        for row in rows
    )


def _holds(manifest: Manifest, ending: str) -> bool:
    return any(name.endswith(ending) for name in manifest.files)
