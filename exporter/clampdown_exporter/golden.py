"""Writes the golden rows: what every port of the runtime must reproduce."""

from clampdown_exporter.golden_texts import GOLDEN_TEXTS
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.golden import Golden, GoldenRow
from clampdown_runtime.prediction import to_predictions

TOLERANCE = 1e-4
"""Absolute, of logits and scores: what float32 kernels of different machines differ by."""


def golden_of(classifier: DefendedClassifier) -> Golden:
    """Run every golden text alone.

    A text whose score lies within the tolerance of the threshold, or whose two best logits do, is
    left out: another machine may rightly decide it the other way.
    """
    rows = []
    for text in GOLDEN_TEXTS:
        (encoded,) = classifier.tokenizer.encode([text])
        if not encoded.ids:
            continue
        (prediction,) = to_predictions(
            classifier.run_ids([encoded.ids]), classifier.manifest.labels
        )
        best = sorted(prediction.logits)[-2:]
        margins = (prediction.anomaly_score - classifier.manifest.threshold, best[-1] - best[0])
        if any(abs(margin) <= TOLERANCE for margin in margins):
            continue
        rows.append(
            GoldenRow(
                text=text,
                input_ids=tuple(encoded.ids),
                logits=prediction.logits,
                anomaly_score=prediction.anomaly_score,
                flagged=prediction.flagged,
                label=prediction.label,
                probability=prediction.probability,
            )
        )
    return Golden(TOLERANCE, tuple(rows))
