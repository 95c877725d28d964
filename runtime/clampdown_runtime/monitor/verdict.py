"""What can be said of the rows that were counted, and what to do."""

from dataclasses import dataclass
from typing import Literal

from clampdown_runtime.monitor.concentration import Concentration
from clampdown_runtime.monitor.levels import Level

Change = Literal["none", "flags", "scores"]
"""``flags``: more rows lie high than clean ones account for, and the others are as they were;
``scores``: the scores moved over the whole range."""

CONCENTRATED = 0.01
"""The p-value under which a label is named."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen at one level.

    Attributes:
        level: what was counted, and what it may be.
        share: of the rows since ``since``, 0 to 1.
        evidence: natural logarithm of the e-value; the largest so far.
        needed: from which on it is an alarm.
        since: rows before the period in which the change seems to have begun.
    """

    level: Level
    share: float
    evidence: float
    needed: float
    since: int

    @property
    def alarm(self) -> bool:
        """Whether the level was passed, now or earlier."""
        return self.evidence >= self.needed


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be said of all rows so far.

    Attributes:
        change: whether the traffic changed, and how.
        since: rows before the change seems to have begun; 0 without one.
        rows: that were counted.
        findings: of every level.
        concentration: with ``flags``, of the rows over all clean scores since then, or of the
            flagged ones where none is: the label that they have more often than unflagged rows.
    """

    change: Change
    since: int
    rows: int
    findings: tuple[Finding, ...]
    concentration: Concentration | None

    @property
    def alarm(self) -> bool:
        """Whether the traffic changed."""
        return self.change != "none"

    @property
    def label(self) -> str | None:
        """The label that the high rows concentrate on; None where none stands out."""
        found = self.concentration
        return found.label if found is not None and found.p_value <= CONCENTRATED else None

    @property
    def advice(self) -> str:
        """What was found, and what to do."""
        if self.change == "none":
            return "Nothing to do: the rows are scored as the clean ones were."
        if self.change == "scores":
            return (
                "The scores moved over the whole range: the texts are others than the clean rows. "
                "Calibrate again with newer clean rows; until then the rate of flags means little."
            )
        seen = "More rows lie high than clean ones account for, and the others are as they were. "
        if self.label is None or self.concentration is None:
            return seen + "Look at the flagged rows; no label stands out among them."
        share, others = self.concentration.share, self.concentration.share_of_others
        return (
            f"{seen}Look at the flagged rows of the label {self.label!r}: of the "
            f"{self.concentration.rows} highest {share:.0%} have it, of the unflagged rows "
            f"{others:.0%}."
        )
