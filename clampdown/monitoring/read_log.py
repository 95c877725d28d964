"""Reads predictions that `clampdown run --json` printed."""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from clampdown_runtime.bundle.files import Bundle
from clampdown_runtime.monitor import Monitor, Snapshot
from clampdown_runtime.prediction import RawOutputs
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
            and ``flagged``; other keys are ignored. ``.gz`` behind its name says that it is
            compressed.
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
        predictions = _predictions(path, bundle.manifest.labels)
        while held := list(islice(predictions, PERIOD)):
            monitor.count(_outputs(held, len(bundle.manifest.labels)))
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

_Prediction = tuple[int, float, bool]


def _predictions(path: Path, labels: Sequence[str]) -> Iterator[_Prediction]:
    classes = {label: index for index, label in enumerate(labels)}
    for line, fields in line_objects(path):
        label, score, flagged = (_get(fields, key, path, line) for key in _KEYS)
        if not isinstance(label, str) or label not in classes:
            refuse_line(
                path,
                line,
                found=f"the label {str(label)[:40]!r}",
                expected=f"one of {', '.join(labels)}",
                hint=_HINT,
            )
        if isinstance(score, bool) or not isinstance(score, float | int | None):
            refuse_line(
                path, line, found="an `anomaly_score` that is none", expected="a number or null"
            )
        if not isinstance(flagged, bool):
            refuse_line(
                path, line, found="a `flagged` that is neither true nor false", expected="either"
            )
        yield classes[label], np.nan if score is None else score, flagged


_KEYS = ("label", "anomaly_score", "flagged")


def _get(fields: dict[str, Any], key: str, path: Path, line: int) -> object:
    if key not in fields:
        refuse_line(path, line, found=f"no `{key}`", expected="a prediction", hint=_HINT)
    return fields[key]


def _outputs(held: Sequence[_Prediction], classes: int) -> RawOutputs:
    labels, scores, flagged = zip(*held, strict=True)
    # Large integers are no float32; they are as good as infinite.
    with np.errstate(over="ignore"):
        return RawOutputs(
            np.eye(classes, dtype=np.float32)[list(labels)],
            np.array(scores, np.float64).astype(np.float32),
            np.array(flagged, np.bool_),
        )
