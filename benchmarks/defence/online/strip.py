"""STRIP for texts (Gao et al., TDSC 2021): few predictions should survive replaced words.

Half of a text's words are replaced by the most characteristic words (by tf-idf) of a random clean
text, five times; the mean entropy of the predictions is low where a trigger decides. Settings as
in OpenBackdoor.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from benchmarks.defence.undefended import Undefended

COPIES = 5
REPLACED = 0.5


class Strip:
    """The score, with the clean texts that words are taken from."""

    def __init__(self, model: Undefended, clean: Sequence[str], seed: int = 0) -> None:
        """Rank every clean text's words."""
        self._model = model
        self._random = np.random.default_rng(seed)
        ranking = TfidfVectorizer(norm=None, stop_words="english")
        weights = ranking.fit_transform(clean)
        words = ranking.get_feature_names_out()
        # Of each text its own words, the most characteristic ones first.
        self._words = [
            words[row.indices[np.argsort(-row.data, kind="stable")]] for row in weights if row.nnz
        ]

    def scores(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Minus the mean entropy in bits, float32 ``[n]``; high is abnormal."""
        copies = [self._copy(text) for text in texts for _ in range(COPIES)]
        probabilities = np.maximum(self._model.probabilities(copies), 1e-12)
        entropy = -(probabilities * np.log2(probabilities)).sum(axis=1)
        result: NDArray[np.float32] = -entropy.reshape(-1, COPIES).mean(axis=1).astype(np.float32)
        return result

    def _copy(self, text: str) -> str:
        words = text.split()
        given = self._words[self._random.integers(len(self._words))]
        places = self._random.integers(0, len(words), int(len(words) * REPLACED))
        for place, word in zip(places, given, strict=False):
            words[place] = word
        return " ".join(words)
