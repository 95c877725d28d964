"""What decides about the results of a run, whatever machine does it."""

from dataclasses import dataclass

from clampdown_runtime.rows.row_format import DEFAULT_FORMAT
from clampdown_runtime.sessions.providers import Provider


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """The options that are recorded in the output folder.

    Attributes:
        text_column: the column of the texts.
        text_pair_column: that of the second texts, where the bundle's model reads pairs.
        columns: the input's columns to keep; all of them when None.
        threshold: takes the place of the bundle's own threshold.
        all_probabilities: whether each class's probability is written.
        provider: where the model runs.
    """

    text_column: str = DEFAULT_FORMAT.text
    text_pair_column: str = DEFAULT_FORMAT.text_pair
    columns: tuple[str, ...] | None = None
    threshold: float | None = None
    all_probabilities: bool = False
    provider: Provider = "cpu"
