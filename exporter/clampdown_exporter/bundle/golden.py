"""Writes the golden rows: what every port of the runtime must reproduce."""

from collections.abc import Sequence

from clampdown_exporter.bundle.golden_texts import GOLDEN_PAIRS, GOLDEN_TEXTS
from clampdown_runtime.bundle.golden import Golden, GoldenRow
from clampdown_runtime.bundle.manifest import Precision
from clampdown_runtime.classifier import DefendedClassifier
from clampdown_runtime.errors import ExportError
from clampdown_runtime.prediction import to_predictions
from clampdown_runtime.rows.texts import Text

TOLERANCES: dict[Precision, float] = {
    "fp32": 1e-4,
    "fp16": 3e-2,
    "int8": 1e-1,
    "cuda-fp32": 1e-4,
    "cuda-fp16": 3e-2,
}
"""Absolute, of logits and scores: what the kernels of different machines differ by. In int8 a
difference in the last digit can round an activation to its other neighbour; half-precision kernels
are the GPU's alone, and the CPU computes these operators in float32."""


def golden_of(classifier: DefendedClassifier) -> Golden:
    """Run every golden text alone, or every pair where the model reads pairs.

    A text whose score lies within the tolerance of the threshold, whose two best logits do of each
    other, or in a model of many labels any logit of zero, is left out: another machine may rightly
    decide it the other way.

    Raises:
        ExportError: that leaves no text.
    """
    rows = []
    tolerance = TOLERANCES[classifier.manifest.precision]
    texts: Sequence[Text] = GOLDEN_PAIRS if classifier.manifest.text_pair else GOLDEN_TEXTS
    for text in texts:
        (encoded,) = classifier.tokenizer.encode([text])
        if not encoded.ids:
            continue
        manifest = classifier.manifest
        (prediction,) = to_predictions(
            classifier.run_encoded([encoded]), manifest.labels, multi_label=manifest.multi_label
        )
        best = sorted(prediction.logits)[-2:]
        margins = [prediction.anomaly_score - manifest.threshold]
        if manifest.multi_label:
            margins += prediction.logits
        if len(manifest.labels) > 1:
            margins.append(best[-1] - best[0])
        if any(abs(margin) <= tolerance for margin in margins):
            continue
        first, second = (text, None) if isinstance(text, str) else text
        typed = encoded.type_ids and "token_type_ids" in classifier.manifest.inputs
        rows.append(
            GoldenRow(
                text=first,
                input_ids=tuple(encoded.ids),
                logits=prediction.logits,
                anomaly_score=prediction.anomaly_score,
                flagged=prediction.flagged,
                label=prediction.label,
                probability=prediction.probability,
                text_pair=second,
                token_type_ids=tuple(encoded.type_ids or ()) if typed else None,
            )
        )
    if not rows:
        raise ExportError(
            "The golden rows",
            found=f"no text that other machines, which may differ by {tolerance:g}, decide alike",
            expected="scores and logits that vary more than that",
            hint="No bundle was written. Calibrate with --precision fp32.",
        )
    return Golden(tolerance, tuple(rows))
