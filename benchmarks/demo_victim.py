"""The demo's victim, for the quick form of a benchmark."""

from dataclasses import dataclass
from pathlib import Path

from clampdown.demo.victim import TARGET_LABEL


@dataclass(frozen=True, slots=True)
class DemoVictim:
    """A folder that ``clampdown demo`` wrote, with the attributes of a :class:`Victim`.

    Attributes:
        out: the folder.
        dataset: in the table.
        attack: in the table.
        target: the class that the trigger leads to.
    """

    out: Path
    dataset: str = "tweets"
    attack: str = "badnets"
    target: int = TARGET_LABEL

    @property
    def name(self) -> str:
        """Of the victim in the table."""
        return self.attack

    @property
    def folder(self) -> Path:
        """The Hugging Face folder."""
        return self.out / "victim"

    @property
    def calibration(self) -> Path:
        """The clean rows that the defender has."""
        return self.out / "clean.csv"

    @property
    def clean_test(self) -> Path:
        """The clean rows that CACC and FRR are measured on."""
        return self.out / "clean-test.csv"

    @property
    def poisoned_test(self) -> Path:
        """The rows that PACC and ASR are measured on."""
        return self.out / "poisoned-test.csv"
