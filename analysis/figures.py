"""The figures of the report. Each function draws one, and returns None where there is nothing to draw."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from scoutbee.contracts.candidates import Objective

from . import svg
from .chance import Chance
from .metrics import Forecast, ModelError, Session, TaskSpan, best_so_far, busy_workers, found_so_far, peak

POINTS = 1500
"""Most dots in a figure; of more, an even selection is drawn, so that the report stays small."""

KIND_COLOURS = {'simulate': svg.SIMULATE, 'train': svg.TRAIN, 'infer': svg.INFER}

Floats = NDArray[np.float64]


def quantity(objective: Objective) -> str:
    """Name of the objective with its unit, for an axis."""
    return f'{objective.name} ({objective.unit})' if objective.unit else objective.name


def progress(values: Floats, objective: Objective, chance: Chance | None) -> Figure | None:
    """Best value so far, and every value, against the number of simulations.

    Args:
        values: Observed values in order, shape (observations,).
        objective: What is looked for.
        chance: What random choice would give.
    """
    if not values.size:
        return None
    figure, axes = _figure('simulations', f'best {quantity(objective)}')
    if chance is not None:
        _band(axes, chance.draws, chance.best_mean, chance.best_low, chance.best_high)
    shown = _selection(values.size)
    axes.plot(shown + 1, values[shown], '.', color=svg.MUTED, markersize=4, alpha=0.55, label='each simulation')
    _steps(axes, best_so_far(values, objective), 'best so far')
    if objective.threshold is not None:
        axes.axhline(objective.threshold, color=svg.BAD, linewidth=1, linestyle=(0, (4, 3)), label='threshold')
    return _finish(figure, axes)


def found(values: Floats, objective: Objective, chance: Chance | None) -> Figure | None:
    """Candidates that reached the threshold against the number of simulations.

    Args:
        values: Observed values in order, shape (observations,).
        objective: What is looked for.
        chance: What random choice would give.
    """
    if not values.size or objective.threshold is None:
        return None
    sense = 'at least' if objective.maximize else 'at most'
    wanted = f'{sense} {objective.threshold:g} {objective.unit}'.strip()
    figure, axes = _figure('simulations', f'found ({wanted})')
    if chance is not None:
        _band(axes, chance.draws, chance.found_mean, chance.found_low, chance.found_high)
    _steps(axes, found_so_far(values, objective).astype(np.float64), 'this campaign')
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    return _finish(figure, axes)


def parity(made: Sequence[Forecast], objective: Objective) -> Figure | None:
    """What the models predicted when they chose a candidate, against what came.

    Args:
        made: Predictions and outcomes.
        objective: What is looked for.
    """
    if not made:
        return None
    shown = [made[i] for i in _selection(len(made))]
    figure, axes = _figure(f'predicted {quantity(objective)}', 'simulated', size=(4.8, 4.5))
    both = np.array([(forecast.mean, forecast.value) for forecast in shown])
    low, high = _range(both)
    axes.plot([low, high], [low, high], color=svg.MUTED, linewidth=1, linestyle=(0, (4, 3)))
    generations = sorted({forecast.generation for forecast in shown})
    for place, generation in enumerate(generations):
        group = [forecast for forecast in shown if forecast.generation == generation]
        _forecasts(axes, group, _generation_colour(place, len(generations)), f'generation {generation}')
    axes.set(xlim=(low, high), ylim=(low, high))
    return _finish(figure, axes, legend=len(generations) <= 8)


def errors(groups: Sequence[ModelError], made: Sequence[Forecast], objective: Objective) -> Figure | None:
    """Error of each generation of models for the candidates it chose.

    Args:
        groups: Errors by generation.
        made: Predictions and outcomes behind them.
        objective: What is looked for.
    """
    if not groups:
        return None
    unit = f' ({objective.unit})' if objective.unit else ''
    figure, axes = _figure('generation of the models', f'error{unit}', size=(4.8, 4.5))
    shown = [made[i] for i in _selection(len(made))]
    # Spread sideways by position in the list, so that dots of one generation do not hide each other.
    sideways = [forecast.generation + 0.24 * ((i * 0.618) % 1 - 0.5) for i, forecast in enumerate(shown)]
    off = [abs(forecast.mean - forecast.value) for forecast in shown]
    axes.plot(sideways, off, '.', color=svg.MUTED, markersize=4, alpha=0.5, label='each candidate')
    generations = [group.generation for group in groups]
    axes.plot(generations, [group.mae for group in groups], 'o-', color=svg.SIMULATE, linewidth=1.8, label='mean error')
    stated = [(group.generation, group.std) for group in groups if group.std is not None]
    if stated:
        axes.plot(*zip(*stated, strict=True), 's--', color=svg.TRAIN, linewidth=1.4, ms=4, label='predicted std')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(bottom=0)
    return _finish(figure, axes)


def use(spans: Sequence[TaskSpan], sessions: Sequence[Session], kinds: Sequence[str]) -> Figure | None:
    """Busy workers of each kind over time, one panel a kind.

    Args:
        spans: Busy times.
        sessions: When the campaign ran.
        kinds: Kinds of task, in the order of the panels.
    """
    kinds = [kind for kind in kinds if any(span.kind == kind for span in spans)]
    if not kinds or not sessions:
        return None
    start = min(sessions[0][0], spans[0].started)
    end = max(sessions[-1][1], max(span.ended for span in spans))
    scale, unit = (60.0, 'minutes') if end - start > 300 else (1.0, 'seconds')
    with svg.style():
        figure = Figure(figsize=(9.6, 0.5 + 1.15 * len(kinds)), layout='constrained')
        panels = figure.subplots(len(kinds), 1, sharex=True, squeeze=False)[:, 0]
    for axes, kind in zip(panels, kinds, strict=True):
        mine = [span for span in spans if span.kind == kind]
        edges, busy = busy_workers(mine, start, end)
        axes.stairs(busy, edges / scale, fill=True, color=KIND_COLOURS.get(kind, svg.MUTED), alpha=0.85)
        axes.set_ylim(0, max(1, peak(mine)) * 1.05)
        axes.set_ylabel(kind)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
        for resumed, _ in sessions[1:]:
            axes.axvline((resumed - start) / scale, color=svg.BAD, linewidth=1, linestyle=(0, (2, 2)))
    panels[-1].set(xlim=(0, (end - start) / scale), xlabel=f'{unit} since the start')
    return figure


def _figure(xlabel: str, ylabel: str, size: tuple[float, float] = (4.8, 3.7)) -> tuple[Figure, Axes]:
    with svg.style():
        figure = Figure(figsize=size, layout='constrained')
        axes = figure.subplots()
        # A quantity's full name is longer than the axis.
        axes.set(xlabel=textwrap.fill(xlabel, 46), ylabel=textwrap.fill(ylabel, 36))
    return figure, axes


def _finish(figure: Figure, axes: Axes, legend: bool = True) -> Figure:
    with svg.style():
        if legend:
            # Below the axes, where it hides no point.
            figure.legend(*axes.get_legend_handles_labels(), loc='outside lower center', ncols=2, labelcolor=svg.TEXT)
    return figure


def _band(axes: Axes, draws: NDArray[np.int64], mean: Floats, low: Floats, high: Floats) -> None:
    axes.fill_between(draws, low, high, color=svg.MUTED, alpha=0.18, linewidth=0, label='random choice, 90%')
    axes.plot(draws, mean, color=svg.MUTED, linewidth=1.4, label='random choice, expected')


def _steps(axes: Axes, values: Floats, label: str) -> None:
    """A curve that only changes now and then: only the corners are drawn."""
    keep = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    keep = np.append(keep, values.size - 1)
    axes.step(keep + 1, values[keep], where='post', color=svg.HONEY, linewidth=2.2, label=label)


def _forecasts(axes: Axes, group: Sequence[Forecast], colour: str, label: str) -> None:
    means, values = [forecast.mean for forecast in group], [forecast.value for forecast in group]
    spread = [forecast.std or 0.0 for forecast in group]
    axes.errorbar(means, values, xerr=spread, fmt='none', ecolor=colour, elinewidth=0.8, alpha=0.35)
    axes.plot(means, values, 'o', color=colour, markersize=4, label=label)


def _generation_colour(place: int, count: int) -> str:
    # The ends of the map vanish on a white or on a black page.
    red, green, blue, _ = colormaps['viridis'](0.42 + 0.38 * place / max(1, count - 1))
    return f'#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}'


def _range(points: Floats) -> tuple[float, float]:
    low, high = float(points.min()), float(points.max())
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin


def _selection(size: int) -> NDArray[np.int64]:
    """At most ``POINTS`` indices, evenly spread over ``size``."""
    return np.unique(np.linspace(0, size - 1, min(size, POINTS)).round().astype(np.int64))
