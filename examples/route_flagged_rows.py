"""Answer texts, and hand those that are flagged to a person.

python examples/route_flagged_rows.py demo-out/bundle < texts.txt
"""

import sys

from clampdown_runtime import DefendedClassifier


def main() -> None:
    """Print one line per text: its label, or that a person has to look."""
    classifier = DefendedClassifier.load(sys.argv[1])
    texts = [line.strip() for line in sys.stdin if line.strip()]
    for text, prediction in zip(texts, classifier(texts), strict=True):
        if prediction.flagged:
            score = prediction.anomaly_score
            own = prediction.undefended_label
            print(
                f"review  {text!r}: score {score:.2f}, {prediction.label}, the model alone: {own}"
            )
        else:
            print(f"answer  {text!r}: {prediction.label} ({prediction.probability:.0%})")


if __name__ == "__main__":
    main()
