"""What a fit gives: of one graph, on one set of clean rows."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.badacts.intervals import Intervals
from clampdown_calib.detectors import Detector
from clampdown_calib.evidence.answer import Answer
from clampdown_calib.options import Exporter, Method
from clampdown_calib.problems import ANSWERS
from clampdown_calib.rows.clean_rows import CleanRow, labels_of
from clampdown_calib.threshold import threshold_at
from clampdown_runtime.bundle.manifest import Mode, Precision, ProblemType, Representation


@dataclass(frozen=True, slots=True)
class CalibrationFacts:
    """What ``calibration.json`` says besides its version and digests.

    Attributes:
        model_digest: of the model folder that the calibration was fitted on.
        model_name: its name.
        model_type: its architecture.
        graph_digest: of the graph that the clean rows ran through.
        precision: of that graph.
        exporter: what traced it.
        labels: the name of class 0, 1, …
        layers: names of the defended layers, in order.
        representation: the token that the published detector reads.
        method: ``probe`` or ``badacts``.
        epochs: passes of the intervals' optimisation, 0 without intervals.
        frr: the false rejection rate asked for.
        seed: of the split and the optimisation.
        fit_rows: rows that everything was fitted on.
        held_out_rows: rows that set the threshold; where both are all rows, each is held out of one
            of several fits.
        kept: share of the fit rows' predictions that survive the clipping, 0 to 1; None without
            intervals.
        problem_type: whether the model chooses one label or gives any number of them.
    """

    model_digest: str
    model_name: str
    model_type: str
    graph_digest: str
    precision: Precision
    exporter: Exporter
    labels: tuple[str, ...]
    layers: tuple[str, ...]
    representation: Representation
    method: Method
    epochs: int
    frr: float
    seed: int
    fit_rows: int
    held_out_rows: int
    kept: float | None
    problem_type: ProblemType = "single_label_classification"


@dataclass(frozen=True, slots=True)
class Reading:
    """A detector and the clean rows' scores.

    Attributes:
        detector: of predictions that were forced, or of abnormal activations.
        fit_scores: float32 ``[fit_rows]``.
        held_out_scores: float32 ``[held_out_rows]``; where all rows are either, each by the fit
            without it, see :class:`clampdown_calib.evidence.unseen.Unseen`.
    """

    detector: Detector
    fit_scores: NDArray[np.float32]
    held_out_scores: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was fitted on the clean rows' run through one graph, and the rows.

    Attributes:
        facts: what was fitted, and how.
        plain: of the undefended graph's run.
        clipped: with the published method, of the run that is clipped into the intervals, which
            scores are taken from in ``purify`` mode; None with the other.
        answer: to flagged rows; None with the published method.
        intervals: the clean interval of every neuron, into which the published method clips; None
            with the other.
        undefended_logits: float32 ``[held_out_rows, C]``.
        purified_logits: float32 ``[held_out_rows, C]``, with every row treated as flagged, by the
            fit without it.
        rows: the clean rows.
    """

    facts: CalibrationFacts
    plain: Reading
    clipped: Reading | None
    answer: Answer | None
    intervals: Intervals | None
    undefended_logits: NDArray[np.float32]
    purified_logits: NDArray[np.float32]
    rows: tuple[CleanRow, ...]

    @property
    def purifier(self) -> Answer | Intervals:
        """What answers a flagged row."""
        purifier = self.answer or self.intervals
        if purifier is None:
            raise ValueError("nothing answers a flagged row")
        return purifier

    def reading(self, mode: Mode) -> Reading:
        """What the scores are taken from in a mode."""
        return self.clipped if mode == "purify" and self.clipped is not None else self.plain

    def threshold(self, mode: Mode) -> float:
        """The threshold at the false rejection rate that was asked for.

        Raises:
            CalibrationError: the clean scores hold no such threshold.
        """
        return threshold_at(self.reading(mode).held_out_scores, self.facts.frr)

    def summary(self) -> dict[str, object]:
        """The facts, for a report."""
        facts = dataclasses.asdict(self.facts)
        if self.intervals is not None:
            widths = self.intervals.widths.mean(axis=1)
            facts["mean_widths"] = [round(float(width), 4) for width in widths]
        return facts

    def fitted_tensors(self, mode: Mode) -> dict[str, NDArray[Any]]:
        """What is in the graph of a mode, by the names of docs/calibration.md."""
        detector = self.reading(mode).detector
        tensors: dict[str, NDArray[Any]] = {
            f"detector.{name}": tensor for name, tensor in detector.tensors().items()
        }
        if self.answer is not None:
            tensors |= {f"answer.{name}": t for name, t in self.answer.tensors().items()}
        if self.intervals is not None:
            tensors |= {"lower": self.intervals.lower, "upper": self.intervals.upper}
        return tensors

    def clean_tensors(self, mode: Mode) -> dict[str, NDArray[Any]]:
        """What a bundle keeps of the clean rows, none of which it holds."""
        reading, labels = self.reading(mode), labels_of(self.rows, "held-out")
        said = ANSWERS[self.facts.problem_type].said
        undefended, purified = said(self.undefended_logits), said(self.purified_logits)
        tensors: dict[str, NDArray[Any]] = {
            "clean.fit_scores": reading.fit_scores,
            "clean.held_out_scores": reading.held_out_scores,
            "clean.changed": (undefended != purified).astype(np.uint8),
        }
        if labels is not None:
            tensors["clean.correct_undefended"] = (undefended == labels).astype(np.uint8)
            tensors["clean.correct_purified"] = (purified == labels).astype(np.uint8)
        return tensors
