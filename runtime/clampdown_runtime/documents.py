"""One result of a text that was read in several windows."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clampdown_runtime.prediction import RawOutputs, softmax


def of_documents(outputs: RawOutputs, windows: Sequence[Sequence[int]]) -> RawOutputs:
    """Puts the windows' results together.

    The probabilities of a text are the mean of its windows', each weighed by its tokens, and its
    logits their logarithms. Its score is the highest, and it is flagged where one of them is: a
    trigger stands in few windows. With more windows more clean texts are flagged.

    Args:
        outputs: of every window, those of a text one behind the other.
        windows: for each text, the tokens of each of its windows.

    Returns:
        The outputs of each text.
    """
    starts = np.cumsum([0, *(len(lengths) for lengths in windows)])[:-1]
    weights = np.concatenate([np.array(lengths) / sum(lengths) for lengths in windows])
    weighed = softmax(outputs.logits) * weights[:, np.newaxis]
    with np.errstate(divide="ignore"):
        logits: npt.NDArray[np.float64] = np.log(np.add.reduceat(weighed, starts))
    return RawOutputs(
        logits.astype(np.float32),
        np.maximum.reduceat(outputs.anomaly_score, starts),
        np.logical_or.reduceat(outputs.flagged, starts),
    )
