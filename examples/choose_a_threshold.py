"""Show how many of your rows each false rejection rate would flag, then move the threshold.

python examples/choose_a_threshold.py demo-out/bundle rows.csv 0.02
"""

import sys
from pathlib import Path

from clampdown_exporter import move_threshold
from clampdown_runtime import DefendedClassifier, read_rows


def main() -> None:
    """Score the rows, try four rates, and keep the one of the last argument."""
    bundle, rows, chosen = sys.argv[1:]
    texts = [row.text for row in read_rows(Path(rows))]
    scores = [prediction.anomaly_score for prediction in DefendedClassifier.load(bundle)(texts)]
    for rate in (0.01, 0.02, 0.05, 0.1):
        threshold = move_threshold(bundle, frr=rate).threshold
        flagged = sum(not score <= threshold for score in scores)
        print(f"rate {rate:.2f}: threshold {threshold:6.3f} flags {flagged} of {len(texts)} rows")
    print(f"kept {move_threshold(bundle, frr=float(chosen)).threshold:.3f}")


if __name__ == "__main__":
    main()
