"""What was counted up to a moment: adds up over processes, and goes into a log as JSON."""

import dataclasses
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import add, sub
from typing import Any

from clampdown_runtime.errors import ClampdownError
from clampdown_runtime.monitor.scale import Scale
from clampdown_runtime.unique_keys import unique_keys

FORMAT_VERSION = 1

Counts = tuple[int, ...]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the bins of run times, but the last: the steps that Prometheus' clients have."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counts of one bundle's rows.

    Attributes:
        bundle: ``sha256:…`` of its manifest.
        labels: its labels.
        scale: the bins of the scores, with the clean rows in them.
        rows: rows by label, the one that the model itself gives.
        flagged: those of them that were flagged.
        beyond: those of them in the last bin, over the scores of all clean rows, or not finite.
        changed: those of them that the defence gave another answer.
        compared: rows of which that is known, none where the graph does not say.
        scores: rows in each bin of the scale.
        truncated: texts that the model saw a part of.
        runs: times in each bin of ``SECONDS``, one for each call of the classifier, or each window
            of a stream.
        seconds: their sum.
    """

    bundle: str
    labels: tuple[str, ...]
    scale: Scale
    rows: Counts
    flagged: Counts
    beyond: Counts
    changed: Counts
    compared: int
    scores: Counts
    truncated: int
    runs: Counts
    seconds: float

    @classmethod
    def nothing(cls, bundle: str, labels: tuple[str, ...], scale: Scale) -> "Snapshot":
        """Of no rows."""
        none, bins = (0,) * len(labels), (0,) * len(scale.clean)
        runs = (0,) * (len(SECONDS) + 1)
        return cls(bundle, labels, scale, none, none, none, none, 0, bins, 0, runs, 0.0)

    def __add__(self, other: "Snapshot") -> "Snapshot":
        """What both counted: of two processes, or of two periods.

        Raises:
            ClampdownError: they are of two bundles.
        """
        return self._with(other, add)

    def __sub__(self, earlier: "Snapshot") -> "Snapshot":
        """What one monitor counted since an earlier moment.

        Raises:
            ClampdownError: they are of two bundles, or the other one counted more.
        """
        counted = self._with(earlier, sub)
        if any(count < 0 for count in (*counted.rows, *counted.scores, *counted.runs)):
            raise ClampdownError(
                "The earlier snapshot",
                found="more rows than in the later one",
                expected="one that the same monitor gave before",
                hint="A monitor begins anew with its process: start a new period there.",
            )
        return counted

    def _with(self, other: "Snapshot", combine: Callable[[Any, Any], Any]) -> "Snapshot":
        if (self.bundle, self.scale) != (other.bundle, other.scale):
            raise ClampdownError(
                "The snapshots",
                found=f"those of two bundles, {self.bundle} and {other.bundle}",
                expected="snapshots of one bundle",
                hint="Count each bundle alone: its scores and its threshold are its own.",
            )
        changed: dict[str, Any] = {}
        for name in ("rows", "flagged", "beyond", "changed", "scores", "runs"):
            ours, theirs = getattr(self, name), getattr(other, name)
            changed[name] = tuple(combine(a, b) for a, b in zip(ours, theirs, strict=True))
        for name in ("compared", "truncated", "seconds"):
            changed[name] = combine(getattr(self, name), getattr(other, name))
        return dataclasses.replace(self, **changed)

    def to_json(self) -> str:
        """One line of JSON, without a line end."""
        return json.dumps({"format_version": FORMAT_VERSION, **dataclasses.asdict(self)})

    @classmethod
    def from_json(cls, text: str) -> "Snapshot":
        """Reads what :meth:`to_json` wrote.

        Raises:
            ClampdownError: the text is none of this release's.
        """
        try:
            fields = json.loads(text, object_pairs_hook=unique_keys)
            if (version := fields.pop("format_version")) != FORMAT_VERSION:
                raise ValueError(f"the format version {version}")
            scale = fields.pop("scale")
            read = cls(**_tuples(fields), scale=Scale(**_tuples(scale)))
            _require_counts(read)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ClampdownError(
                "The snapshot",
                found=f"text that is none ({error})",
                expected=f"what Snapshot.to_json wrote, format version {FORMAT_VERSION}",
                hint="Pass a snapshot of this release.",
            ) from error
        return read


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}


def _require_counts(read: Snapshot) -> None:
    scale, classes = read.scale, len(read.labels)
    lengths = {
        "rows": classes,
        "flagged": classes,
        "beyond": classes,
        "changed": classes,
        "scores": len(scale.edges) + 1,
        "runs": len(SECONDS) + 1,
    }
    counts = {name: getattr(read, name) for name in lengths}
    counts["scale.clean"], lengths["scale.clean"] = scale.clean, len(scale.edges) + 1
    for name in ("compared", "truncated"):
        counts[name], lengths[name] = (getattr(read, name),), 1
    for name, values in counts.items():
        if len(values) != lengths[name] or not all(type(v) is int and v >= 0 for v in values):
            raise ValueError(f"`{name}` without {lengths[name]} counts")
    edges, place = scale.edges, scale.threshold
    if not all(type(e) is float and math.isfinite(e) for e in edges) or [*edges] != sorted(
        {*edges}
    ):
        raise ValueError("`scale.edges` that do not rise")
    if type(place) is not int or not 0 <= place < len(edges):
        raise ValueError("`scale.threshold` that is no index of an edge")
    if not all(type(text) is str for text in (read.bundle, *read.labels)):
        raise ValueError("a name that is no string")
    if type(read.seconds) is not float or not 0 <= read.seconds < math.inf:
        raise ValueError("`seconds` that is no time")
