"""The table of what was found, and the list of what was wrong."""

from collections import Counter
from collections.abc import Iterable, Sequence

from .outcome import Outcome, Skipped, Trial

COLUMNS = (
    "fault",
    "command",
    "trials",
    "met",
    "old whole",
    "new whole",
    "nothing",
    "half-written",
    "left beside",
    "left temporary",
    "wrong",
)
LEGEND = (
    "Each trial runs a real command on a tiny bundle in a process of its own and puts one "
    "fault upon it. `met`: the fault came before the command had ended. What is at the "
    "place afterwards: the old bundle whole, the new one whole, nothing, or anything else "
    "(half-written); whole means that every digest fits and that the graph has the "
    "manifest's threshold. `left`: trials after which something lay beside the destination "
    '(made parents included) or in the temporary folder, "then": after the next run of the '
    "command. `wrong`: trials that broke a promise: something half-written, the old one "
    "gone, something left behind (after a kill, or a removal that fails, it may be until "
    "the next run), a status that does not fit, a traceback."
)

STATES = ("old", "new", "nothing", "half-written")


def table(results: Sequence[tuple[Trial, Outcome]]) -> str:
    """One row for each kind of fault and command."""
    groups: dict[tuple[str, str], list[Outcome]] = {}
    for trial, outcome in results:
        groups.setdefault((trial.kind, trial.command), []).append(outcome)
    rows = [(*key, *_counted(outcomes)) for key, outcomes in groups.items()]
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _counted(outcomes: list[Outcome]) -> tuple[object, ...]:
    states = Counter(outcome.state for outcome in outcomes)
    return (
        len(outcomes),
        sum(outcome.delivered for outcome in outcomes),
        *(states[state] for state in STATES),
        _left(outcomes, "beside"),
        _left(outcomes, "temporary"),
        sum(bool(outcome.wrong) for outcome in outcomes),
    )


def _left(outcomes: Iterable[Outcome], where: str) -> str:
    """How many trials left something, and how many still after the next run."""
    outcomes = list(outcomes)
    now = sum(bool(getattr(outcome, where)) for outcome in outcomes)
    later = [outcome.later for outcome in outcomes if outcome.later]
    if not later:
        return str(now)
    return f"{now}, then {sum(bool(getattr(outcome, where)) for outcome in later)}"


def _cell(value: object) -> str:
    # A bar would end the cell.
    return str(value).replace("|", "\\|")


def read_counts(results: Sequence[tuple[Trial, Outcome]]) -> str:
    """What the readers saw, all together."""
    counts: Counter[str] = Counter()
    for _, outcome in results:
        counts.update(outcome.counts)
    return "; ".join(f"{what}: {count}" for what, count in sorted(counts.items()))


def wrongs(results: Sequence[tuple[Trial, Outcome]]) -> list[str]:
    """One line for each trial that found something wrong."""
    return [
        f"{trial.kind} | {trial.command} | {trial.what}: {'; '.join(outcome.wrong)}"
        for trial, outcome in results
        if outcome.wrong
    ]


def skips(skipped: Sequence[Skipped]) -> list[str]:
    return [f"Not tried: {one.kind} ({one.reason})." for one in skipped]
