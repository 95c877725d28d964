"""What an evaluation and a benchmark measured, in the place of minutes of work."""

from clampdown import Accuracies, BenchRow, Evaluation

EVALUATION = Evaluation(
    defended=Accuracies(84.94, 78.5, 21.5, 91.0),
    undefended=Accuracies(86.2, 0.0, 100.0, 99.0),
    right_to_wrong=31,
    wrong_to_right=18,
    frr=9.8,
    far=4.1,
    auroc=0.97,
    target_label="positive",
    clean_rows=1000,
    poisoned_rows=500,
    truncated_rows=3,
)

LATENCY = BenchRow(
    threads=1,
    batch_size=1,
    length=32,
    undefended_ms=10.0,
    unflagged_ms=10.1,
    flagged_ms=18.0,
    undefended_rows_per_second=100.0,
    unflagged_rows_per_second=99.0,
    unflagged_ratio=1.01,
    flagged_ratio=1.8,
    clean_ratio=1.09,
)
