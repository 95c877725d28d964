"""Rows as a monitor sees them: what a model and its defence say of texts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clampdown_runtime import DefendedClassifier

NOISE = 0.1
"""Added to scores that are drawn again and again, in standard deviations of clean rows, so that
they have no ties; a tenth of what they vary by themselves."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Rows.

    Attributes:
        scores: anomaly scores, float32 ``[n]``.
        labels: the classes that the model itself gives, int64 ``[n]``.
    """

    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, classifier: DefendedClassifier, texts: Sequence[str]) -> "Traffic":
        """Those of some texts."""
        found = classifier(texts)
        names = classifier.manifest.labels
        return cls(
            np.array([row.anomaly_score for row in found], np.float32),
            np.array([names.index(str(row.undefended_label)) for row in found]),
        )

    def drawn(self, random: np.random.Generator, count: int) -> "Traffic":
        """So many of the rows, each as often as chance has it, with noise."""
        chosen = random.integers(len(self.scores), size=count)
        noise = random.normal(0, NOISE, count)
        return Traffic((self.scores[chosen] + noise).astype(np.float32), self.labels[chosen])

    def mixed(
        self, random: np.random.Generator, others: "Traffic", rate: float
    ) -> tuple["Traffic", NDArray[np.bool_]]:
        """With a share of the rows replaced by other ones; also which they are, bool ``[n]``."""
        replaced = random.random(len(self.scores)) < rate
        put = others.drawn(random, int(replaced.sum()))
        scores, labels = self.scores.copy(), self.labels.copy()
        scores[replaced], labels[replaced] = put.scores, put.labels
        return Traffic(scores, labels), replaced
