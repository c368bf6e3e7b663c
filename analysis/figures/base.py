"""What the figures share."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from scoutbee.contracts.candidates import Objective

from ..sessions import Floats
from ..svg import Palette, style

POINTS = 1500
"""Most dots in a figure; of more, an even selection is drawn, so that the report stays small."""

WIDE = 9.6
"""Width of a figure that takes the whole page, in inches."""

HALF = 4.8
"""Width of one of two that stand side by side."""


def quantity(objective: Objective) -> str:
    """Name of the objective with its unit, for an axis."""
    return f'{objective.name} ({objective.unit})' if objective.unit else objective.name


def panels(
    palette: Palette, size: tuple[float, float], rows: int = 1, columns: int = 1, sharex: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of ``size`` (width and height in inches) and its axes, row by row."""
    with style(palette):
        figure = Figure(figsize=size, layout='constrained')
        axes = figure.subplots(rows, columns, squeeze=False, sharex=sharex)
    return figure, list(axes.ravel())


def label(axes: Axes, x: str, y: str) -> None:
    """Name the axes; a quantity's full name is longer than the axis."""
    axes.set(xlabel=textwrap.fill(x, 46), ylabel=textwrap.fill(y, 34))


def legend(figure: Figure, axes: Axes, palette: Palette, columns: int = 2) -> None:
    """A legend below the axes, where it hides no point."""
    handles, names = axes.get_legend_handles_labels()
    if names:
        with style(palette):
            figure.legend(handles, names, loc='outside lower center', ncols=columns)


def whole_numbers(axes: Axes) -> None:
    """Ticks of the y axis at whole numbers, from 0."""
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)


def whole_range(axes: Axes, which: Literal['x', 'y'], values: Iterable[float]) -> None:
    """Ticks at whole numbers on an axis, also where there is only one, with room on both sides."""
    known = list(values)
    ends = min(known) - 0.5, max(known) + 0.5
    axes.set(**{f'{which}lim': ends})
    axis = axes.xaxis if which == 'x' else axes.yaxis
    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))


def colour_of_place(place: int, count: int) -> str:
    """Colour of one of an ordered series."""
    # The ends of the map vanish on a white or on a black page.
    red, green, blue, _ = colormaps['viridis'](0.42 + 0.38 * place / max(1, count - 1))
    return f'#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}'


def time_scale(seconds: float) -> tuple[float, str]:
    """Unit in which a time of that length is shown: its seconds and its name."""
    for scale, unit in ((3600.0, 'hours'), (60.0, 'minutes')):
        if seconds > 5 * scale:
            return scale, unit
    return 1.0, 'seconds'


def byte_scale(size: float) -> tuple[float, str]:
    """Unit in which so many bytes are shown: its bytes and its name."""
    for scale, unit in ((1e9, 'GB'), (1e6, 'MB'), (1e3, 'kB')):
        if size >= scale:
            return scale, unit
    return 1.0, 'bytes'


def evenly(size: int, most: int = POINTS) -> NDArray[np.int64]:
    """At most ``most`` indices, evenly spread over ``size``."""
    return np.unique(np.linspace(0, size - 1, min(size, most)).round().astype(np.int64))


def corners(values: Floats, most: int = POINTS) -> NDArray[np.int64]:
    """Indices at which a curve changes, with its first and last point; an even selection where they are many."""
    changed = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    changed = changed[evenly(changed.size, most)]
    return np.unique(np.append(changed, values.size - 1))


def span_of(points: Floats) -> tuple[float, float]:
    """Ends of an axis on which all points have some room."""
    low, high = float(points.min()), float(points.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin
