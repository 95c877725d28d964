"""What the defence gives of each clean row when it was fitted without the row."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.activations import CleanRun
from clampdown_calib.detectors import Detector
from clampdown_calib.folds import folds


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """Scores and votes of every clean row, by readout, detector and votes that never saw it.

    Every fold of the rows is read by what was fitted on the others, so all rows fit the defence and
    all set its threshold (cross-conformal prediction, Vovk 2015). A split in two halves leaves
    either with few: of 200 rows a detector of 100 with a threshold of 100.

    Attributes:
        scores: float32 ``[n]``.
        votes: float32 ``[n, C]``, the logits of the layers' votes.
    """

    scores: NDArray[np.float32]
    votes: NDArray[np.float32]

    @classmethod
    def fit(
        cls, run: CleanRun, detector: type[Detector], words: NDArray[np.float32] | None
    ) -> Self:
        """Fit on all folds but one, and read that one; five times.

        Args:
            run: of the clean rows through the graph that is deployed.
            detector: the kind of detector.
            words: float32 ``[J, H, C]``, what the words say, see
                :class:`clampdown_calib.layer_votes.LayerVotes`. The model labels them, not the
                rows, so that all folds can share them.
        """
        scores = np.empty(len(run.logits), np.float32)
        votes = np.empty_like(run.logits)
        for out in folds(run.classes):
            seen, unseen = run.rows(~out), run.rows(out)
            readout, samples = seen.fit_readout()
            scores[out] = detector.fit(samples).score(unseen.samples(readout))
            votes[out] = seen.fit_votes(words).logits(unseen.pooled, unseen.logits)
        return cls(scores, votes)
