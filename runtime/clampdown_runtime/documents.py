"""One result of a text that was read in several windows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clampdown_runtime.prediction import RawOutputs, log_sigmoid, softmax


def of_documents(
    outputs: RawOutputs, windows: Sequence[Sequence[int]], *, multi_label: bool = False
) -> RawOutputs:
    """Puts the windows' results together.

    The probabilities of a text are the mean of its windows', each weighed by its tokens, and its
    logits their logarithms, or of a model of many labels their log-odds.

    Its score is the highest, and it is flagged where one of them is: a
    trigger stands in few windows. With more windows more clean texts are flagged. The model's own
    logits are put together as the logits are.

    Args:
        outputs: of every window, those of a text one behind the other.
        windows: for each text, the tokens of each of its windows.
        multi_label: whether each label is given or not, instead of one being chosen.

    Returns:
        The outputs of each text.
    """
    starts = np.cumsum([0, *(len(lengths) for lengths in windows)])[:-1]
    weights = np.concatenate([np.array(lengths) / sum(lengths) for lengths in windows])
    mean = _mean_log_odds if multi_label else _mean_logarithms

    def of_texts(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return mean(logits, weights[:, np.newaxis], starts).astype(np.float32)

    own = outputs.undefended_logits
    return RawOutputs(
        of_texts(outputs.logits),
        np.maximum.reduceat(outputs.anomaly_score, starts),
        np.logical_or.reduceat(outputs.flagged, starts),
        None if own is None else of_texts(own),
    )


def _mean_logarithms(
    logits: npt.NDArray[np.float32], weights: npt.NDArray[np.float64], starts: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        means: npt.NDArray[np.float64] = np.log(np.add.reduceat(softmax(logits) * weights, starts))
    return means


def _mean_log_odds(
    logits: npt.NDArray[np.float32], weights: npt.NDArray[np.float64], starts: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    """In logarithms all along: one less a probability near one would be zero."""
    yes, no = (
        np.logaddexp.reduceat(log_sigmoid(side) + np.log(weights), starts)
        for side in (logits.astype(np.float64), -logits.astype(np.float64))
    )
    odds: npt.NDArray[np.float64] = yes - no
    return odds
