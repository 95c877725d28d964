"""What the model makes of every word, that is token, of the clean rows alone."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.activations import ActivationSource, require_finite
from clampdown_calib.clean_rows import EncodedRows
from clampdown_calib.layer_votes import voting_layers, words_vote

RIDGE = 0.1
"""Multiple of the mean eigenvalue that is added to the words' covariance: most words are rare, and
a few thousand of them say little about the smallest directions of some hundred neurons."""


@dataclass(frozen=True, slots=True)
class WordRun:
    """The run of single words, each between the special tokens of a text.

    Attributes:
        states: float32 ``[n, J, H]``, the word's own activations at the layers that vote.
        logits: float32 ``[n, C]``.
    """

    states: NDArray[np.float32]
    logits: NDArray[np.float32]

    def directions(self) -> NDArray[np.float32]:
        """What a layer's activations say of the classes, word by word: float32 ``[J, H, C]``.

        A ridge regression (Hoerl and Kennard 1970) of the logits, less their mean over the classes,
        on every layer's activations. It is linear, so that the mean of a text's tokens gives the
        mean of what they say.
        """
        relative = self.logits.astype(np.float64)
        relative -= relative.mean(axis=1, keepdims=True)
        relative -= relative.mean(axis=0)
        fitted = []
        for layer in range(self.states.shape[1]):
            states = self.states[:, layer].astype(np.float64)
            states -= states.mean(axis=0)
            scatter = states.T @ states
            level = max(np.trace(scatter) / len(scatter), 1e-12)
            ridge = scatter + RIDGE * level * np.eye(len(scatter))
            fitted.append(np.linalg.solve(ridge, states.T @ relative))
        return np.stack(fitted).astype(np.float32)


def word_directions(
    source: ActivationSource, rows: EncodedRows, classes: int
) -> NDArray[np.float32] | None:
    """What the rows' words say, float32 ``[J, H, C]``; None of two classes, where nobody asks."""
    return run_words(source, rows).directions() if words_vote(classes) else None


def run_words(source: ActivationSource, rows: EncodedRows) -> WordRun:
    """Run every token that occurs in the rows, in a row of its own.

    Raises:
        CalibrationError: an activation or logit is not finite.
    """
    words, place = single_words(rows)
    voting = voting_layers(len(source.layer_names))
    states, logits = [], []
    for _, inputs in words.batches():
        run = source.activations(inputs)
        at_word = np.stack([layer[:, place] for layer in run.hidden[voting]], axis=1)
        require_finite(at_word, source.layer_names[voting])
        require_finite(run.logits[:, None], ("logits",))
        states.append(at_word)
        logits.append(run.logits)
    return WordRun(np.concatenate(states), np.concatenate(logits))


def single_words(rows: EncodedRows) -> tuple[EncodedRows, int]:
    """Every token that occurs in the rows but the special ones, and its place in its row."""
    [special] = rows.tokenization.encode([""])
    place = 0
    while place < len(special) and all(ids[place] == special[place] for ids in rows.ids):
        place += 1
    words = sorted({token for ids in rows.ids for token in ids} - set(special))
    ids = [[*special[:place], word, *special[place:]] for word in words]
    return dataclasses.replace(rows, ids=ids, labels=None), place
