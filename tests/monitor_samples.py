"""Bundles with clean scores, and streams of scores that are counted as a monitor would."""

import dataclasses

import numpy as np
from safetensors.numpy import save

from clampdown_runtime.monitor import Scale, Snapshot

LABELS = ("negative", "positive")
CLEAN, TRIGGERED = (0.55, 0.85), (5.6, 2.2)
"""Mean and standard deviation of the scores of the demo's rows, which are nearly normal; triggered
ones are those whose true label is not the attacker's."""


def give_clean_scores(bundle, scores, seal):
    """Puts clean scores into a bundle, as an export does."""
    tensors = {
        "answer.log_odds": np.float32([-3]),
        # Every other one.
        "clean.changed": np.uint8(np.arange(len(scores)) % 2),
        "clean.held_out_scores": np.float32(scores),
        "latency.flagged": np.float32([1]),
    }
    (bundle / "calibration.safetensors").write_bytes(save(tensors, {"method": "probe"}))
    seal(bundle)
    return bundle


def scores(random, rows, of=CLEAN, shift=0.0):
    return (random.normal(*of, rows) + shift).astype(np.float32)


def attacked(random, rows, rate):
    """Clean scores, a share of which is exchanged for triggered ones; and which these are."""
    mixed, triggered = scores(random, rows), random.random(rows) < rate
    mixed[triggered] = scores(random, triggered.sum(), TRIGGERED)
    return mixed, triggered


def calibrated(random, rows=400, frr=0.1):
    """The scale of clean scores that are drawn anew."""
    clean = np.sort(scores(random, rows))
    return Scale.of(clean, float(clean[int(np.ceil((rows + 1) * (1 - frr))) - 1]))


def periods(scale, stream, *, size=200, labels=None):
    """What a monitor counts of a stream of scores, period by period."""
    labels = np.arange(len(stream)) % 2 if labels is None else labels
    nothing = Snapshot.nothing("sha256:0", LABELS, scale)
    bins = np.searchsorted(np.float32(scale.edges), stream)
    for start in range(0, len(stream), size):
        found, label = bins[start : start + size], labels[start : start + size]
        chosen = (found >= 0, found > scale.threshold, found == len(scale.edges))
        rows, flagged, beyond = (
            tuple(np.bincount(label[rows], minlength=2).tolist()) for rows in chosen
        )
        yield dataclasses.replace(
            nothing,
            rows=rows,
            flagged=flagged,
            beyond=beyond,
            scores=tuple(np.bincount(found, minlength=len(scale.clean)).tolist()),
        )
