"""What is measured: victims, clean rows and defences."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.demo_victim import DemoVictim
from benchmarks.victims import ATTACKS, CACHE, LABELS, Victim

Kind = Literal["clampdown", "published", "fine-tuned", "online"]
KINDS: tuple[Kind, ...] = ("clampdown", "online")
"""Measured by the quick form; fine-tuning and the published schedule take minutes."""

CLEAN_ROWS = (100, 200, 400)
"""Of the curve, beside all of them."""

DRAWS = 3
"""Of so few clean rows: one draw says more of itself than of the defence."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows of a data set are used, the first ones of each file; None takes all.

    Attributes:
        calibration: clean rows that every defence is fitted on.
        seen: test rows that are left out, since figures on them were looked at while earlier
            defences were designed.
        test: clean and triggered rows behind these that every defence is measured on.
        shifted: rows of each shifted set.
        online: of these, those that DAN, STRIP and RAP are measured on, which take longer.
    """

    calibration: int | None
    seen: int
    test: int | None
    shifted: int
    online: int


LIMITS = {
    "sst-2": Limits(None, 0, None, 600, 300),
    "agnews": Limits(400, 1000, 1000, 600, 300),
    "tweets": Limits(None, 0, None, 600, 300),
}
QUICK = Limits(None, 0, 100, 40, 40)


@dataclass(frozen=True, slots=True)
class Step:
    """One defence of one victim, measured in every mode that it has.

    Attributes:
        victim: the model.
        kind: of the defence.
        limits: of the rows.
        clean_rows: of these the calibration takes only so many; None takes all.
        poisoned: share of the clean rows that carry the trigger, unknown to the defender.
    """

    victim: Victim | DemoVictim
    kind: Kind
    limits: Limits
    clean_rows: int | None = None
    poisoned: float = 0.0

    def __str__(self) -> str:
        several = {"online": "online defences", "fine-tuned": "other models"}
        of = several.get(self.kind, self.defence)
        return f"{self.victim.dataset}, {self.victim.name}: {of}"

    @property
    def draws(self) -> int:
        """How often the clean rows are drawn; the figures are the mean."""
        return 1 if self.clean_rows is None else DRAWS

    @property
    def defence(self) -> str:
        """Name in the table; what a step has several of has names of its own."""
        name: str = "Clampdown" if self.kind == "clampdown" else self.kind
        if self.clean_rows is not None:
            name += f", {self.clean_rows} clean rows"
        if self.poisoned:
            name += f", {self.poisoned:.0%} of the clean rows poisoned"
        return name


def everything() -> Iterator[Step]:
    """Every step, what decides most first."""
    attacked = [Victim(dataset, attack) for dataset in LABELS for attack in ATTACKS]
    unharmed = [Victim(dataset, None) for dataset in LABELS]
    demo = DemoVictim(CACHE / "demo")
    main: list[Victim | DemoVictim] = [*attacked, demo]
    for model in (*main, *unharmed):
        yield Step(model, "clampdown", LIMITS[model.dataset])
    for model in main:
        yield Step(model, "fine-tuned", LIMITS[model.dataset])
    for victim in attacked:
        yield Step(victim, "published", LIMITS[victim.dataset])
    limits = LIMITS["sst-2"]
    for attack in ("badnets", "synbkd", None):
        larger = Victim("sst-2", attack, encoder="mpnet")
        yield Step(larger, "clampdown", limits)
        if attack is not None:
            yield Step(larger, "fine-tuned", limits)
    for attack in ATTACKS:
        for rows in CLEAN_ROWS:
            yield Step(Victim("sst-2", attack), "clampdown", limits, clean_rows=rows)
    for share in (0.01, 0.05):
        for attack in ("badnets", "stylebkd"):
            yield Step(Victim("sst-2", attack), "clampdown", limits, poisoned=share)
    adaptive = [
        *(Victim("sst-2", "badnets", evasion=strength) for strength in (0.0001, 0.001, 0.01)),
        *(Victim("sst-2", "badnets", poison_rate=rate) for rate in (0.01, 0.05)),
    ]
    for victim in adaptive:
        yield Step(victim, "clampdown", limits)
    for victim in attacked:
        yield Step(victim, "online", LIMITS[victim.dataset])


def quick(out: Path) -> Iterator[Step]:
    """The victim of a demo and few rows.

    Args:
        out: the folder that ``clampdown demo`` wrote.
    """
    for kind in KINDS:
        yield Step(DemoVictim(out), kind, QUICK)
