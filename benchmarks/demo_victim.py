"""The demo's victim: of the benchmark, and alone of its quick form."""

from dataclasses import dataclass
from pathlib import Path

import torch

from clampdown.demo.encoder import minilm
from clampdown.demo.victim import TARGET_LABEL, make_victim


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
    def pretrained(self) -> Path:
        """The encoder that it is fine-tuned from."""
        return minilm()

    @property
    def folder(self) -> Path:
        """The Hugging Face folder."""
        return self.out / "victim"

    def train(self) -> Path:
        """Return the folder, made first where it is not there yet."""
        if not self.folder.is_dir():
            torch.set_num_threads(1)
            make_victim(self.out)
        return self.folder

    @property
    def calibration(self) -> Path:
        """The clean rows that the defender has."""
        return self.out / "clean.csv"

    @property
    def clean_test(self) -> Path:
        """The clean rows that CACC and FRR are measured on."""
        return self.out / "clean-test.csv"

    @property
    def triggered_tests(self) -> tuple[Path, ...]:
        """Rows with the trigger and their true label, of either class."""
        return (self.out / "poisoned-test.csv",)
