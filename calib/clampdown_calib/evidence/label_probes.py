"""What every layer but the last says of each label."""

import numpy as np
from numpy.typing import NDArray

from clampdown_calib.evidence.discriminants import Float64, cross_fitted, discriminants
from clampdown_calib.evidence.probes import Probes, probed_layers
from clampdown_calib.evidence.questions import question_temperature, true_answers
from clampdown_calib.rows.clean_run import CleanRun


def label_probes(run: CleanRun) -> tuple[Probes, NDArray[np.float32]]:
    """Fit, for every label, discriminants of the rows that have it and those that have not.

    The logit of a label is the log-odds of the two, both alike probable; it is zero of a label that
    all rows have or none. Each layer's of each label has a temperature of its own: with one for all
    labels of a layer, those that it reads well would be believed too little.

    Args:
        run: of clean rows.

    Returns:
        The probes, and the logits float32 ``[n, K, C]`` that probes fitted without a row give of
        it.
    """
    values = run.pooled[:, : probed_layers(run.pooled.shape[1])].astype(np.float64)
    truth = true_answers(run)
    labels = range(truth.shape[1])
    unseen = _log_odds([cross_fitted(values, truth[:, label], 2) for label in labels])
    scales = np.array(
        [
            [question_temperature(of_layer[:, [label]], truth[:, [label]]) for label in labels]
            for of_layer in unseen.transpose(1, 0, 2)
        ]
    )
    fits = [discriminants(values, truth[:, label], 2) for label in labels]
    weights, bias = (_log_odds(parts) for parts in zip(*fits, strict=True))
    fitted = Probes(
        (weights * scales[:, None]).astype(np.float32),
        (bias * scales).astype(np.float32),
    )
    return fitted, (unseen * scales).astype(np.float32)


def _log_odds(of_labels: "list[Float64] | tuple[Float64, ...]") -> Float64:
    """``[..., C]`` of each label's logits of no and of yes, ``[..., 2]``."""
    return np.stack([pair[..., 1] - pair[..., 0] for pair in of_labels], axis=-1)
