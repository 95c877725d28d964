"""The report's key figures, from what was measured on the clean rows at the export."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clampdown_exporter.report.wilson import wilson_interval
from clampdown_runtime.bundle.manifest import Mode


@dataclass(frozen=True, slots=True)
class Figures:
    """What the held-out clean rows say about the defended model.

    Attributes:
        fit_rows: rows that the defence was fitted on.
        rows: held-out rows.
        flagged: held-out rows that are flagged, those without a usable score included.
        frr_interval: 95% Wilson interval of ``flagged / rows``.
        answers: to these rows: one to each, or in a model of many labels one to each label of it.
        changed: answers to held-out rows that the defence changes.
        right_before: answers that the undefended model gets right; None without labels.
        right_after: the same of the defended model.
        unflagged_latency: median ratio to the undefended graph; of every row where a mode has one
            path for all.
        flagged_latency: the same of flagged rows; None where a mode has one path for all.
    """

    fit_rows: int
    rows: int
    flagged: int
    frr_interval: tuple[float, float]
    answers: int
    changed: int
    right_before: int | None
    right_after: int | None
    unflagged_latency: float
    flagged_latency: float | None

    @property
    def frr(self) -> float:
        """Share of the held-out rows that is flagged."""
        return self.flagged / self.rows

    @property
    def accuracy_before(self) -> float | None:
        """Clean accuracy of the undefended model, 0 to 1."""
        return None if self.right_before is None else self.right_before / self.answers

    @property
    def accuracy_after(self) -> float | None:
        """Clean accuracy of the defended model, 0 to 1."""
        return None if self.right_after is None else self.right_after / self.answers


def measure_figures(
    mode: Mode, threshold: float, tensors: Mapping[str, NDArray[np.generic]]
) -> Figures:
    """Compute the figures.

    Args:
        mode: which rows take the purified prediction: all, the flagged ones or none.
        threshold: the one in the graph.
        tensors: those of ``calibration.safetensors``, see docs/calibration.md.
    """
    scores = tensors["clean.held_out_scores"].astype(np.float32)
    # As in the graph: float32, and what is not comparable is flagged.
    flagged = ~(scores <= np.float32(threshold))
    purified = {
        "detect-then-purify": flagged,
        "purify": np.ones_like(flagged),
        "detect": np.zeros_like(flagged),
    }[mode]
    changed = tensors["clean.changed"].astype(bool)
    if changed.ndim > 1:
        purified = purified[:, None]
    right_before = right_after = None
    if "clean.correct_undefended" in tensors:
        before = tensors["clean.correct_undefended"].astype(bool)
        after = np.where(purified, tensors["clean.correct_purified"].astype(bool), before)
        right_before, right_after = int(before.sum()), int(after.sum())
    two_paths = mode == "detect-then-purify"
    hits = int(flagged.sum())
    return Figures(
        fit_rows=len(tensors["clean.fit_scores"]),
        rows=len(scores),
        flagged=hits,
        frr_interval=wilson_interval(hits, len(scores)),
        answers=changed.size,
        changed=int((purified & changed).sum()),
        right_before=right_before,
        right_after=right_after,
        unflagged_latency=float(tensors["latency.unflagged"].item()),
        flagged_latency=float(tensors["latency.flagged"].item()) if two_paths else None,
    )
