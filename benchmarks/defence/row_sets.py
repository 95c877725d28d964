"""Everything that a defence is judged on: kinds of rows none of which alone means anything."""

from dataclasses import dataclass

from benchmarks.defence.rows import LabelledRows, first_rows
from benchmarks.defence.shifted import shifted_rows
from benchmarks.demo_victim import DemoVictim
from benchmarks.victims import Victim


@dataclass(frozen=True, slots=True)
class RowSets:
    """The test rows of one victim.

    Attributes:
        clean: from where the calibration rows are.
        poisoned: with the trigger, and a true label that is not the target.
        triggered: with the trigger, and the target as their true label.
        shifted: clean ones unlike those of the calibration, by the name of the set.
    """

    clean: LabelledRows
    poisoned: LabelledRows | None
    triggered: LabelledRows | None
    shifted: dict[str, LabelledRows]

    def parts(self) -> dict[str, LabelledRows]:
        """All of them by name."""
        named = {"clean": self.clean, "poisoned": self.poisoned, "triggered": self.triggered}
        return {name: rows for name, rows in named.items() if rows is not None} | self.shifted


def read_row_sets(
    victim: Victim | DemoVictim, *, seen: int, most: int | None, shifted: int
) -> RowSets:
    """Read the test rows of a victim.

    Args:
        victim: the model.
        seen: first rows of each file that are left out; a file of the target's rows has none.
        most: clean and poisoned rows behind these; None takes all.
        shifted: rows of each shifted set, none with 0.
    """
    clean = first_rows(victim.clean_test, most, behind=seen)
    poisoned, triggered = None, None
    if victim.triggered_tests:
        source = first_rows(victim.triggered_tests[0], None, behind=seen)
        poisoned = source.where(source.labels != victim.target)
        triggered = first_rows(victim.triggered_tests[-1], None)
        triggered = triggered.where(triggered.labels == victim.target)
    if most is not None:
        poisoned, triggered = (
            rows and LabelledRows(rows.texts[:most], rows.labels[:most])
            for rows in (poisoned, triggered)
        )
    changed = shifted_rows(victim, clean, shifted) if shifted else {}
    return RowSets(clean, poisoned, triggered, changed)
