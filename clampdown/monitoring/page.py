"""Writes what was found in a log as one self-contained page, in the style of a bundle's report."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from clampdown_exporter.report import notation
from clampdown_exporter.report.axis import Axis, Tick, round_step
from clampdown_runtime.bundle.manifest import Manifest
from clampdown_runtime.monitor import Finding, Scale, Snapshot, Verdict

_COLUMNS = 60
"""Of the drawing over time; more would be thinner than a reader can point at."""


@dataclass(frozen=True, slots=True)
class Column:
    """A part of a drawing, in percent of the plot.

    Attributes:
        left: of the plot's width.
        width: of the plot's width.
        height: of the plot's height.
        clean: where the clean rows are, from below.
        high: whether it lies over the threshold, or over what clean rows account for.
        text: it in words.
    """

    left: float
    width: float
    height: float
    clean: float
    high: bool
    text: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """Columns, and the ticks of the shares beside them."""

    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]
    clean: float


def render_page(
    manifest: Manifest,
    digest: str,
    periods: Sequence[Snapshot],
    verdict: Verdict,
    clean_changed: float | None,
) -> str:
    """Write the page: equal logs give equal pages.

    Args:
        manifest: of the bundle.
        digest: of the manifest.
        periods: of the log, at least one.
        verdict: after the last one.
        clean_changed: share of the clean rows whose answer the defence changes; None where the log
            does not say which of its rows' were changed.

    Returns:
        One HTML page that refers to nothing outside itself and runs no script.
    """
    environment = Environment(
        # The style is that of a bundle's report.
        loader=ChoiceLoader(
            [
                PackageLoader("clampdown", "monitoring"),
                PackageLoader("clampdown_exporter", "report"),
            ]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in (notation.percent, notation.number, notation.rows, level_name, evidence):
        environment.filters[write.__name__] = write
    total = sum(periods[1:], periods[0])
    return environment.get_template("monitor.html.jinja").render(
        manifest=manifest,
        digest=digest,
        verdict=verdict,
        total=total,
        rows=sum(total.rows),
        clean_rows=sum(total.scale.clean),
        scores=draw_scores(total.scale, total.scores),
        time=draw_time(periods),
        beyond=_share(sum(total.beyond), sum(total.rows)),
        changed=_share(sum(total.changed), total.compared),
        clean_changed=clean_changed,
        flagged=_share(sum(total.flagged), sum(total.rows)),
    )


def level_name(finding: Finding, scale: Scale) -> str:
    """What a level counts, in words."""
    level = finding.level
    if level.among == "unflagged":
        return (
            f"unflagged rows that score over {notation.number(scale.edges[level.over])}, as "
            f"{level.clean:.0%} of the clean ones do"
        )
    if level.over == scale.threshold:
        return "rows over the threshold"
    highest = level.over == len(scale.edges) - 1
    return f"rows over {'every clean row' if highest else 'all clean rows but one or few'}"


def evidence(finding: Finding) -> str:
    """The evidence beside what an alarm takes, as an e-value."""
    return f"{_power(finding.evidence)} of {_power(finding.needed)}"


def draw_scores(scale: Scale, counts: Sequence[int]) -> Drawing:
    """A column for each bin of the scores, with the clean rows' share as a mark on it."""
    rows, clean = max(sum(counts), 1), sum(scale.clean)
    shares = [count / rows for count in counts]
    marks = [count / clean for count in scale.clean]
    axis, ticks = _vertical(max(*shares, *marks))
    ends = (-math.inf, *scale.edges, math.inf)
    width = 100 / len(counts)
    columns = tuple(
        Column(
            left=width * place,
            width=width,
            height=axis.at(100 * share),
            clean=axis.at(100 * mark),
            high=place > scale.threshold,
            text=f"{_between(low, high)}: {notation.percent(share)} of the rows, "
            f"{notation.percent(mark)} of the clean ones",
        )
        for place, ((low, high), share, mark) in enumerate(
            zip(pairwise(ends), shares, marks, strict=True)
        )
    )
    return Drawing(columns, ticks, 0)


def draw_time(periods: Sequence[Snapshot]) -> Drawing:
    """A column for each part of the log: the share of its rows that is flagged."""
    size = math.ceil(len(periods) / _COLUMNS)
    parts = [periods[start : start + size] for start in range(0, len(periods), size)]
    totals = [sum(part[1:], part[0]) for part in parts]
    shares = [_share(sum(total.flagged), sum(total.rows)) for total in totals]
    scale = periods[0].scale
    clean = sum(scale.clean[scale.threshold + 1 :]) / sum(scale.clean)
    axis, ticks = _vertical(max(*shares, clean))
    width, first, columns = 100 / len(totals), 1, []
    for place, (total, share) in enumerate(zip(totals, shares, strict=True)):
        last = first + sum(total.rows) - 1
        columns.append(
            Column(
                left=width * place,
                width=width,
                height=axis.at(100 * share),
                clean=axis.at(100 * clean),
                high=False,
                text=f"rows {first:,} to {last:,}: {notation.percent(share)} flagged",
            )
        )
        first = last + 1
    return Drawing(tuple(columns), ticks, axis.at(100 * clean))


def _vertical(highest: float) -> tuple[Axis, tuple[Tick, ...]]:
    step = round_step(max(highest, 0.01) / 4)
    axis = Axis(0, 100 * step * math.ceil(max(highest, 0.01) / step - 1e-9))
    return axis, axis.ticks(most=4)


def _between(low: float, high: float) -> str:
    if low == -math.inf:
        return f"scores up to {notation.number(high)}"
    if high == math.inf:
        return f"scores over {notation.number(low)}, every clean one, or not finite"
    return f"scores over {notation.number(low)} up to {notation.number(high)}"


def _share(part: int, rows: int) -> float:
    return part / rows if rows else 0.0


def _power(logarithm: float) -> str:
    if logarithm <= 0:
        return "1 at most"
    exponent = logarithm / math.log(10)
    return f"{math.exp(logarithm):,.0f}" if exponent < 6 else f"10^{exponent:.0f}"
