"""Show how many of your rows each false rejection rate would flag, then move the threshold.

python examples/choose_a_threshold.py demo-out/bundle rows.csv 0.02
"""

import sys

from clampdown_exporter import move_threshold
from clampdown_runtime import DefendedClassifier, read_rows


def main() -> None:
    """Try four rates on the rows' scores, and keep the one of the last argument."""
    bundle, rows, chosen = sys.argv[1:]
    texts = [row.text for row in read_rows(rows)]
    for rate in (0.01, 0.02, 0.05, 0.1):
        move_threshold(bundle, frr=rate)
        classifier = DefendedClassifier.load(bundle)
        flagged = sum(prediction.flagged for prediction in classifier(texts))
        threshold = classifier.manifest.threshold
        print(f"rate {rate:.2f}: threshold {threshold:6.3f} flags {flagged} of {len(texts)} rows")
    manifest = move_threshold(bundle, frr=float(chosen))
    print(f"kept {manifest.threshold:.3f}")


if __name__ == "__main__":
    main()
