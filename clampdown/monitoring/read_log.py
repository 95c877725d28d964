"""Reads predictions that `clampdown run --json` printed."""

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.monitor import Monitor, Snapshot
from clampdown_runtime.rows.json_rows import line_objects
from clampdown_runtime.rows.refusals import refuse, refuse_line
from clampdown_runtime.rows.text_files import undecodable_line

PERIOD = 200
"""Rows between two looks: few beside the thousands of which a rare attack is seen, and many enough
that looking takes less time than reading."""

_HINT = "Pass what `clampdown run --json` printed with this bundle."


def read_log(path: Path, bundle: Bundle) -> Iterator[Snapshot]:
    """Counts a log, period by period.

    Args:
        path: an object on each line with ``label``, ``anomaly_score`` (null where it is not finite)
            and ``flagged``, and where it is known ``undefended_label``, of many labels also
            ``labels`` and ``undefended_labels``, each of which may be null; other keys are
            ignored. ``.gz`` behind its name says that it is compressed.
        bundle: whose predictions these are.

    Yields:
        The counts of each 200 rows in the order of the log; of the last ones fewer.

    Raises:
        RowsError: a line is no prediction of the bundle, or there is none.
        BundleError: the bundle keeps no clean scores.
    """
    if not path.is_file():
        refuse(path, found="no file there", expected="a log of predictions", hint=_HINT)
    monitor = Monitor(bundle)
    before = monitor.snapshot()
    try:
        predictions = _predictions(path, bundle.manifest)
        while held := list(islice(predictions, PERIOD)):
            for changed in (True, False, None):
                _count(monitor, [one for one in held if one.changed is changed])
            now = monitor.snapshot()
            yield now - before
            before = now
    except UnicodeDecodeError:
        refuse(path, found=f"bytes that are not UTF-8 in line {undecodable_line(path)}", **_LOG)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        refuse(path, found=f"a file that is not valid gzip ({error})", **_LOG)
    except OSError as error:
        refuse(path, found=f"a file that cannot be read ({error})", **_LOG)
    if not sum(before.rows):
        refuse(path, found="no predictions", **_LOG)


_LOG = {"expected": "a log of predictions", "hint": _HINT}


@dataclass(frozen=True, slots=True)
class _Prediction:
    """A line; ``label`` is the index of the model's own where the line has it."""

    label: int
    anomaly_score: float
    flagged: bool
    changed: bool | None


def _predictions(path: Path, manifest: Manifest) -> Iterator[_Prediction]:
    labels = {label: index for index, label in enumerate(manifest.labels)}
    for line, fields in line_objects(path):
        label, score, flagged = (_get(fields, key, path, line) for key in _KEYS)
        own = fields.get(_OWN)
        answer = _class(label, labels, path, line)
        undefended = None if own is None else _class(own, labels, path, line)
        if isinstance(score, bool) or not isinstance(score, float | int | None):
            refuse_line(
                path, line, found="an `anomaly_score` that is none", expected="a number or null"
            )
        if not isinstance(flagged, bool):
            refuse_line(
                path, line, found="a `flagged` that is neither true nor false", expected="either"
            )
        changed = None if undefended is None else answer != undefended
        if manifest.multi_label:
            # Two sets can differ that have one most probable label.
            given, without = (_set(fields.get(key), path, line) for key in _SETS)
            changed = None if given is None or without is None else given != without
        yield _Prediction(
            answer if undefended is None else undefended,
            np.nan if score is None else score,
            flagged,
            changed,
        )


_KEYS = ("label", "anomaly_score", "flagged")
_OWN, _SETS = "undefended_label", ("labels", "undefended_labels")


def _class(label: object, labels: Mapping[str, int], path: Path, line: int) -> int:
    if not isinstance(label, str) or label not in labels:
        refuse_line(
            path,
            line,
            found=f"the label {str(label)[:40]!r}",
            expected=f"one of {', '.join(labels)}",
            hint=_HINT,
        )
    return labels[label]


def _set(given: object, path: Path, line: int) -> frozenset[str] | None:
    """The labels of a row, in whatever order; None where the line does not say."""
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(label, str) for label in given):
        refuse_line(path, line, found="labels that are no list", expected="a list of labels")
    return frozenset(given)


def _get(fields: dict[str, Any], key: str, path: Path, line: int) -> object:
    if key not in fields:
        refuse_line(path, line, found=f"no `{key}`", expected="a prediction", hint=_HINT)
    return fields[key]


def _count(monitor: Monitor, held: Sequence[_Prediction]) -> None:
    """Adds predictions of which the answers of all are changed, unchanged or not known."""
    if not held:
        return
    # Large integers are no float32; they are as good as infinite.
    with np.errstate(over="ignore"):
        scores = np.array([one.anomaly_score for one in held], np.float64).astype(np.float32)
    changed = held[0].changed
    monitor.count_rows(
        np.array([one.label for one in held]),
        scores,
        np.array([one.flagged for one in held]),
        changed=None if changed is None else np.full(len(held), changed),
    )
