"""Figures of what a campaign found."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scoutbee.contracts.candidates import Objective

from ..chance import Chance
from ..sessions import Floats
from ..svg import Palette
from .base import WIDE, corners, evenly, label, legend, panels, quantity, time_scale, whole_numbers

Abscissa = tuple[Floats, str]
"""Where points stand, and what the axis says."""


def best(palette: Palette, made: pd.DataFrame, objective: Objective, chance: Chance | None) -> Figure | None:
    """Best value so far, and every value, against simulations and worker-hours.

    Args:
        palette: Colours.
        made: Progress, of :func:`~scoutbee.analysis.outcome.progress`.
        objective: What is looked for.
        chance: What random choice would give.
    """
    if not len(made):
        return None
    figure, both = panels(palette, (WIDE, 3.8), columns=2)
    values, so_far = (made[name].to_numpy(np.float64) for name in ('value', 'best'))
    dots = evenly(len(made))
    for axes, (x, name) in zip(both, _abscissas(made), strict=True):
        if chance is not None:
            _band(axes, palette, x, chance, chance.best_mean, chance.best_low, chance.best_high)
        axes.plot(x[dots], values[dots], '.', color=palette.muted, markersize=4, alpha=0.55, label='each simulation')
        _steps(axes, palette, x, so_far, 'best so far')
        if objective.threshold is not None:
            axes.axhline(objective.threshold, color=palette.bad, lw=1, ls=(0, (4, 3)), label='threshold')
        label(axes, name, quantity(objective))
        axes.set_xlim(left=0)
    legend(figure, both[0], palette, columns=5)
    return figure


def found(palette: Palette, made: pd.DataFrame, objective: Objective, chance: Chance | None) -> Figure | None:
    """Candidates that reached the threshold against simulations and worker-hours; arguments as :func:`best`."""
    if not len(made) or objective.threshold is None:
        return None
    figure, both = panels(palette, (WIDE, 3.4), columns=2)
    counts = made['found'].to_numpy(np.float64)
    for axes, (x, name) in zip(both, _abscissas(made), strict=True):
        if chance is not None:
            _band(axes, palette, x, chance, chance.found_mean, chance.found_low, chance.found_high)
        _steps(axes, palette, x, counts, 'this campaign')
        label(axes, name, f'found ({wanted(objective)})')
        whole_numbers(axes)
        axes.set_xlim(left=0)
    legend(figure, both[0], palette, columns=3)
    return figure


def wanted(objective: Objective) -> str:
    """From where on a candidate counts as found, in words."""
    return f'{"at least" if objective.maximize else "at most"} {objective.threshold:g} {objective.unit}'.strip()


def _abscissas(made: pd.DataFrame) -> tuple[Abscissa, Abscissa]:
    """What progress is shown against, and its name: simulations, and the time of the workers."""
    hours = made['worker_hours'].to_numpy(np.float64)
    scale, unit = time_scale(3600.0 * float(hours[-1]))
    return (made['simulations'].to_numpy(np.float64), 'simulations'), (hours * 3600.0 / scale, f'worker-{unit}')


def _band(axes: Axes, palette: Palette, x: Floats, chance: Chance, mean: Floats, low: Floats, high: Floats) -> None:
    """What random choice gives; against hours, with as many simulations in the same time."""
    at = x[np.minimum(chance.draws, x.size) - 1]
    level = f'{chance.level:.0%}'
    axes.fill_between(at, low, high, color=palette.muted, alpha=0.18, linewidth=0, label=f'random choice, {level}')
    axes.plot(at, mean, color=palette.muted, linewidth=1.4, label='random choice, expected')


def _steps(axes: Axes, palette: Palette, x: Floats, values: Floats, name: str) -> None:
    keep = corners(values)
    axes.step(x[keep], values[keep], where='post', color=palette.honey, linewidth=2.2, label=name)
