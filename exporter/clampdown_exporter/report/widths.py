"""The geometry of the drawing of interval widths."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clampdown_exporter.report.axis import Axis, Tick
from clampdown_exporter.report.notation import number

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LOGARITHMIC_FROM = 50
"""Ratio of the widest to the narrowest drawn width from which the axis is logarithmic."""

LONGEST_LABEL = 10
ROW_HEIGHT, DENSE_ROW_HEIGHT = 26, 18
DENSE_FROM = 16


@dataclass(frozen=True, slots=True)
class LayerWidths:
    """The interval widths of one layer.

    Attributes:
        name: the layer's full name.
        label: what stands beside its row.
        quantiles: width at 5, 25, 50, 75 and 95% of the neurons; empty where none is finite.
        at: the same in percent of the plot.
        y: middle of the row, in pixels.
    """

    name: str
    label: str
    quantiles: tuple[float, ...]
    at: tuple[float, ...]
    y: float

    @property
    def figures(self) -> tuple[str, ...]:
        """The quantiles in writing."""
        return tuple(number(value) for value in self.quantiles)


@dataclass(frozen=True, slots=True)
class WidthsChart:
    """One row per layer.

    Attributes:
        layers: the rows, in the layers' order.
        ticks: widths.
        logarithmic: whether the axis is.
        height: of all rows, in pixels.
        label_characters: of the longest label.
        not_finite: intervals without a finite width, which no row counts.
    """

    layers: tuple[LayerWidths, ...]
    ticks: tuple[Tick, ...]
    logarithmic: bool
    height: int
    label_characters: int
    not_finite: int


def draw_widths(
    names: Sequence[str], lower: NDArray[np.generic], upper: NDArray[np.generic]
) -> WidthsChart:
    """Lay out the drawing.

    Args:
        names: of the L layers.
        lower: ``[L, H]``.
        upper: ``[L, H]``.
    """
    with np.errstate(invalid="ignore"):
        widths = upper.astype(np.float64) - lower.astype(np.float64)
    finite = np.isfinite(widths)
    quantiles = [
        tuple(float(q) for q in np.quantile(row[usable], QUANTILES)) if usable.any() else ()
        for row, usable in zip(widths, finite, strict=True)
    ]
    axis = _axis([value for layer in quantiles for value in layer])
    row_height = ROW_HEIGHT if len(names) < DENSE_FROM else DENSE_ROW_HEIGHT
    labels = short_labels(names)
    return WidthsChart(
        layers=tuple(
            LayerWidths(
                name,
                label,
                layer,
                tuple(axis.at(value) for value in layer),
                (row + 0.5) * row_height,
            )
            for row, (name, label, layer) in enumerate(zip(names, labels, quantiles, strict=True))
        ),
        ticks=axis.ticks(most=5),
        logarithmic=axis.logarithmic,
        height=row_height * len(names),
        label_characters=max(len(label) for label in labels),
        not_finite=int(np.sum(~finite)),
    )


def short_labels(names: Sequence[str]) -> list[str]:
    """What tells the layers apart: their names without the dotted parts that all share.

    Where that is still too long to stand beside a drawing, their positions, from 1.
    """
    parts = [name.split(".") for name in names]
    fewest = min(len(name) for name in parts)
    start = 0
    while start < fewest - 1 and len({name[start] for name in parts}) == 1:
        start += 1
    end = 0
    while end < fewest - start - 1 and len({name[-1 - end] for name in parts}) == 1:
        end += 1
    labels = [".".join(name[start : len(name) - end]) for name in parts]
    if len(names) == 1 or max(len(label) for label in labels) > LONGEST_LABEL:
        return [str(position) for position in range(1, len(names) + 1)]
    return labels


def _axis(values: list[float]) -> Axis:
    low, high = min(values, default=0.0), max(values, default=0.0)
    if low > 0 and high / low >= LOGARITHMIC_FROM:
        return Axis(low, high, logarithmic=True)
    return Axis(0.0, high if high > 0 else 1.0)
