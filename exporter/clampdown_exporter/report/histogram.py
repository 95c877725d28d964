"""The geometry of the anomaly-score histogram."""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from clampdown_exporter.report.axis import Axis, Tick, round_step
from clampdown_exporter.report.notation import number, percent

FENCE = 4
"""Interquartile ranges beyond the quartiles after which a score gets no bar of its own."""

FEWEST_BARS, MOST_BARS = 8, 36


@dataclass(frozen=True, slots=True)
class Bar:
    """The held-out rows of one bin, in percent of the plot.

    Attributes:
        left: of the plot's width.
        width: of the plot's width.
        top: of the plot's height, from above.
        flagged: whether the bin lies over the threshold.
        text: the bin in words.
    """

    left: float
    width: float
    top: float
    flagged: bool
    text: str

    @property
    def height(self) -> float:
        """Of the plot's height."""
        return 100 - self.top


@dataclass(frozen=True, slots=True)
class Histogram:
    """Two distributions over the same bins.

    Attributes:
        bars: the held-out rows, bins without any left out.
        fit_outline: SVG path of the fit rows' steps, in a box of 100 by 100.
        x_ticks: anomaly scores.
        y_ticks: shares of a part's rows.
        threshold_at: where the threshold is, in percent of the width; None where it is too far
            from the scores to be drawn.
        threshold_side: ``left`` or ``right``, where the threshold is.
        below: scores left of the first bar that are counted in it.
        above: scores right of the last bar that are counted in it.
        first: the low end of the first bar.
        last: the high end of the last bar.
        not_finite: scores that are not finite and in no bar: of fit rows, of held-out rows.
        drawable: whether there is any finite score.
    """

    bars: tuple[Bar, ...]
    fit_outline: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    threshold_at: float | None
    threshold_side: str
    below: int
    above: int
    first: float
    last: float
    not_finite: tuple[int, int]
    drawable: bool = True


def draw_histogram(
    fit: NDArray[np.generic], held_out: NDArray[np.generic], threshold: float
) -> Histogram:
    """Lay out the histogram.

    A bin holds the scores over its low end up to and including its high end, and the threshold is
    the end of a bin where it is drawn: right of the line are the flagged rows and no others.

    Args:
        fit: scores of the fit rows.
        held_out: scores of the held-out rows.
        threshold: the one in the graph.
    """
    threshold = float(np.float32(threshold))
    parts = [scores.astype(np.float64) for scores in (fit, held_out)]
    finite = [scores[np.isfinite(scores)] for scores in parts]
    fit_missing, held_out_missing = (
        len(scores) - len(usable) for scores, usable in zip(parts, finite, strict=True)
    )
    pooled = np.concatenate(finite)
    if not pooled.size:
        return Histogram(
            (), "", (), (), None, "", 0, 0, 0, 0, (fit_missing, held_out_missing), drawable=False
        )
    edges, drawn = _edges(pooled, threshold)
    x_axis = Axis(edges[0], edges[-1])
    shares = [
        _counts(usable, edges) / len(scores) for scores, usable in zip(parts, finite, strict=True)
    ]
    highest = max(share.max() for share in shares)
    step = round_step(highest / 4)
    y_axis = Axis(0, 100 * step * ceil(highest / step - 1e-9))
    return Histogram(
        bars=_bars(shares[1], edges, x_axis, y_axis, threshold),
        fit_outline=_outline(shares[0], edges, x_axis, y_axis),
        x_ticks=x_axis.ticks(),
        y_ticks=y_axis.ticks(most=4),
        threshold_at=x_axis.at(threshold) if drawn else None,
        threshold_side="left" if threshold < (edges[0] + edges[-1]) / 2 else "right",
        below=int(np.sum(pooled < edges[0])),
        above=int(np.sum(pooled > edges[-1])),
        first=edges[0],
        last=edges[-1],
        not_finite=(fit_missing, held_out_missing),
    )


def _edges(scores: NDArray[np.float64], threshold: float) -> tuple[NDArray[np.float64], bool]:
    """The ends of the bins, and whether the threshold is one of them."""
    lower, upper = np.quantile(scores, (0.25, 0.75))
    low, high = float(scores.min()), float(scores.max())
    if upper > lower:
        fence = FENCE * float(upper - lower)
        near = scores[(scores >= lower - fence) & (scores <= upper + fence)]
        low, high = float(near.min()), float(near.max())
    if low == high:
        margin = max(abs(low) / 20, 0.5)
        low, high = low - margin, high + margin
    span = high - low
    # Rice's rule.
    width = span / min(max(ceil(2 * scores.size ** (1 / 3)), FEWEST_BARS), MOST_BARS)
    if not low - span < threshold < high + span:
        return np.arange(ceil(span / width - 1e-9) + 1) * width + low, False
    before = max(ceil((threshold - low) / width - 1e-9), 1)
    after = max(ceil((high - threshold) / width - 1e-9), 1)
    return threshold + width * np.arange(-before, after + 1), True


def _counts(scores: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.intp]:
    last = len(edges) - 2
    bins = np.clip(np.searchsorted(edges, scores, side="left") - 1, 0, last)
    return np.bincount(bins, minlength=last + 1)


def _bars(
    shares: NDArray[np.float64],
    edges: NDArray[np.float64],
    x_axis: Axis,
    y_axis: Axis,
    threshold: float,
) -> tuple[Bar, ...]:
    return tuple(
        Bar(
            left=x_axis.at(low),
            width=x_axis.at(high) - x_axis.at(low),
            top=100 - y_axis.at(100 * share),
            flagged=bool(low >= threshold),
            text=f"{number(low)} to {number(high)}: {percent(share)} of the held-out rows",
        )
        for share, low, high in zip(shares, edges[:-1], edges[1:], strict=True)
        if share > 0
    )


def _outline(
    shares: NDArray[np.float64], edges: NDArray[np.float64], x_axis: Axis, y_axis: Axis
) -> str:
    steps = (
        f"V{100 - y_axis.at(100 * share):.2f}H{x_axis.at(edge):.3f}"
        for share, edge in zip(shares, edges[1:], strict=True)
    )
    return f"M0 100{''.join(steps)}V100"
