"""What is in the results of a run."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pyarrow import parquet

_COLUMNS = ("label", "flagged", "error")


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a run, those of earlier runs that it continued among them.

    Attributes:
        fragments: files of results.
        rows: in them.
        flagged: rows that are flagged.
        flag_rate: their share of the rows that were classified; None where there are none.
        labels: rows of each label.
        errors: rows that could not be classified, by reason.
    """

    fragments: int
    rows: int
    flagged: int
    flag_rate: float | None
    labels: dict[str, int]
    errors: dict[str, int]


def summarise(files: Iterable[Path]) -> Summary:
    """Counts the rows of files of results, in bounded memory."""
    fragments = rows = 0
    counted: dict[str, Counter[object]] = {name: Counter() for name in _COLUMNS}
    for path in files:
        fragments += 1
        with parquet.ParquetFile(path) as file:
            rows += file.metadata.num_rows
            for batch in file.iter_batches(columns=list(_COLUMNS)):
                for name in _COLUMNS:
                    for value in batch.column(name).value_counts().to_pylist():
                        counted[name][value["values"]] += value["counts"]
    labels, flagged, errors = (counted[name] for name in _COLUMNS)
    classified = rows - sum(count for reason, count in errors.items() if reason is not None)
    return Summary(
        fragments,
        rows,
        flagged[True],
        flagged[True] / classified if classified else None,
        _by_name(labels),
        _by_name(errors),
    )


def _by_name(counter: Counter[object]) -> dict[str, int]:
    return {name: n for name, n in sorted(counter.items(), key=str) if isinstance(name, str)}
