"""Says whether the traffic is still like the clean rows, and what to do where it is not."""

import math
from collections.abc import Iterable

from clampdown_runtime.errors import ClampdownError
from clampdown_runtime.monitor.concentration import Concentration, concentration
from clampdown_runtime.monitor.levels import Level, levels_of
from clampdown_runtime.monitor.sequential import ShareTest
from clampdown_runtime.monitor.snapshot import Snapshot
from clampdown_runtime.monitor.verdict import Change, Finding, Verdict

FALSE_ALARMS = 0.05


class Drift:
    """Holds the rows of one bundle against its clean ones, period by period.

    It may be looked at any time: the chance of ever giving an alarm is at most ``false_alarms``
    while rows come independently from what the clean rows came from. It is taken over the
    calibration, too: what a share may be is known from so many clean rows only, and the bounds
    allow for that. Novelty is not measured: texts that are unlike the clean ones and scored like
    them go unseen.
    """

    def __init__(self, *, false_alarms: float = FALSE_ALARMS) -> None:
        """Nothing is seen yet.

        Args:
            false_alarms: the chance of an alarm without a change, greater than 0, less than 1.

        Raises:
            ClampdownError: it is not.
        """
        if not 0 < false_alarms < 1:
            raise ClampdownError(
                "The chance of false alarms",
                found=f"{false_alarms:g}",
                expected="more than 0 and less than 1",
                hint="Pass a chance such as 0.05.",
            )
        self._false_alarms = false_alarms
        self._levels: tuple[Level, ...] = ()
        self._tests: list[ShareTest] = []
        self._largest: list[float] = []
        self._totals: list[Snapshot] = []

    def look(self, period: Snapshot) -> Verdict:
        """Takes the rows of the next period: those since the last look, of all processes.

        Raises:
            ClampdownError: they are of another bundle.
        """
        if not self._totals:
            nothing = Snapshot.nothing(period.bundle, period.labels, period.scale)
            self._totals = [nothing]
            self._levels = levels_of(period.scale, self._false_alarms)
            self._tests = [ShareTest(_hit_bound(level)) for level in self._levels]
            self._largest = [0.0] * len(self._levels)
        self._totals.append(self._totals[-1] + period)
        for index, (level, test) in enumerate(zip(self._levels, self._tests, strict=True)):
            test.look(*level.hits(period.scores, period.scale.threshold))
            self._largest[index] = max(self._largest[index], test.evidence)
        return self._verdict()

    def _verdict(self) -> Verdict:
        findings = tuple(
            self._finding(level, test, evidence)
            for level, test, evidence in zip(self._levels, self._tests, self._largest, strict=True)
        )
        alarms = [finding for finding in findings if finding.alarm]
        kinds = {finding.level.kind for finding in alarms}
        # High rows follow where the whole range moves; they do not move it.
        change: Change = "none"
        if kinds:
            change = "scores" if "scores" in kinds else "flags"
        strongest = max(
            (finding for finding in alarms if finding.level.kind == change),
            key=lambda finding: finding.evidence - finding.needed,
            default=None,
        )
        since = strongest.since if strongest else 0
        return Verdict(
            change,
            since,
            sum(self._totals[-1].rows),
            findings,
            self._concentration(since) if change == "flags" else None,
        )

    def _finding(self, level: Level, test: ShareTest, evidence: float) -> Finding:
        before = self._totals[test.since]
        span = self._totals[-1] - before
        hits, rows = level.hits(span.scores, span.scale.threshold)
        share = hits / rows if rows else 0.0
        return Finding(
            level,
            share if level.is_upper else 1 - share,
            evidence,
            -math.log(level.chance),
            sum(before.rows),
        )

    def _concentration(self, since: int) -> Concentration | None:
        before = next(total for total in self._totals if sum(total.rows) >= since)
        span = self._totals[-1] - before
        high = span.beyond if any(span.beyond) else span.flagged
        unflagged = tuple(a - b for a, b in zip(span.rows, span.flagged, strict=True))
        return concentration(span.labels, high, unflagged)


def judge(periods: Iterable[Snapshot], *, false_alarms: float = FALSE_ALARMS) -> Verdict:
    """Looks at periods that have been, one after the other.

    Args:
        periods: at least one.
        false_alarms: see :class:`Drift`.

    Raises:
        ClampdownError: there is none, or they are of several bundles.
    """
    drift, verdict = Drift(false_alarms=false_alarms), None
    for period in periods:
        verdict = drift.look(period)
    if verdict is None:
        raise ClampdownError(
            "The periods",
            found="none",
            expected="at least one",
            hint="Pass what was counted, such as [monitor.snapshot()].",
        )
    return verdict


def _hit_bound(level: Level) -> float:
    """What the chance of a hit is at most, where the share itself may have a least value."""
    return level.bound if level.is_upper else 1 - level.bound
