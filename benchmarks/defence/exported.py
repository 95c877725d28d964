"""Defences that are a graph: Clampdown's and the published one, each as it is deployed."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from benchmarks.defence.outcome import Answers
from benchmarks.defence.undefended import Undefended
from benchmarks.demo_victim import DemoVictim
from benchmarks.victims import Victim
from clampdown import defend
from clampdown_calib import Method
from clampdown_calib.threshold import threshold_at
from clampdown_exporter import write_undefended
from clampdown_runtime import DefendedClassifier


@dataclass(frozen=True, slots=True)
class Fitted:
    """A detect-then-purify bundle, loaded, with its undefended graph.

    Attributes:
        classifier: of the bundle, on one thread.
        undefended: the same network without the defence.
        held_out_scores: float32 ``[n]``, of the clean rows that set the threshold.
        calibration_s: seconds of calibration and export.
    """

    classifier: DefendedClassifier
    undefended: Undefended
    held_out_scores: NDArray[np.float32]
    calibration_s: float

    def answers(self, ids: list[list[int]], *, threshold: float | None = None) -> Answers:
        """The graph's answers; a threshold takes the place of its own."""
        run = self.classifier.run_ids(ids, threshold=threshold)
        return Answers(run.logits.argmax(axis=1), run.anomaly_score, run.flagged)

    def only_flagged(self, undefended: Answers, every: Answers) -> Answers:
        """What the bundle gives with its own threshold, of a run in which every row was flagged."""
        if every.scores is None:
            raise ValueError("a run of a bundle has scores")
        flagged = ~(every.scores <= np.float32(self.classifier.manifest.threshold))
        classes = np.where(flagged, every.classes, undefended.classes)
        return Answers(classes, every.scores, flagged)

    def only_flag(self, undefended: Answers, run: Answers, frr: float | None) -> Answers:
        """What `detect` mode gives: the same scores, nothing purified.

        Args:
            undefended: the model's own answers.
            run: of the bundle.
            frr: the rate at which its held-out scores set another threshold; None keeps its own.
        """
        flagged = run.flagged
        if frr is not None and run.scores is not None:
            flagged = ~(run.scores <= np.float32(threshold_at(self.held_out_scores, frr)))
        return Answers(undefended.classes, run.scores, flagged)


@contextmanager
def fitted(
    victim: Victim | DemoVictim,
    clean: Path,
    *,
    method: Method,
    frr: float,
) -> Iterator[Fitted]:
    """Defend a victim with the clean rows of a file."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        start = time.perf_counter()
        defend(victim.folder, clean, place / "bundle", method=method, frr=frr)
        calibration_s = time.perf_counter() - start
        classifier = DefendedClassifier.load(place / "bundle", threads=1)
        write_undefended(classifier.bundle, place / "undefended.onnx")
        tensors = load_file(classifier.bundle.calibration_path)
        yield Fitted(
            classifier,
            Undefended(place / "undefended.onnx", classifier),
            tensors["clean.held_out_scores"],
            calibration_s,
        )
