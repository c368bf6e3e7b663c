"""Figures of what the models knew."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from scoutbee.contracts.candidates import Objective

from ..svg import Palette
from .base import HALF, colour_of_place, evenly, label, legend, panels, quantity, span_of, whole_range

NAMED = 8
"""Most generations that a legend names."""


def parity(palette: Palette, made: pd.DataFrame, objective: Objective) -> Figure | None:
    """What the models predicted when they chose a candidate, against what came.

    Args:
        palette: Colours.
        made: Predictions and outcomes, of :func:`~scoutbee.analysis.learning.predictions`.
        objective: What is looked for.
    """
    if not len(made):
        return None
    shown = made.iloc[evenly(len(made))]
    figure, (axes,) = panels(palette, (HALF, 4.5))
    low, high = span_of(shown[['mean', 'value']].to_numpy(np.float64))
    axes.plot([low, high], [low, high], color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
    generations = sorted(shown['generation'].unique())
    for place, generation in enumerate(generations):
        group = shown[shown['generation'] == generation]
        _forecasts(axes, group, colour_of_place(place, len(generations)), f'generation {generation}')
    axes.set(xlim=(low, high), ylim=(low, high))
    label(axes, f'predicted {quantity(objective)}', 'simulated')
    if len(generations) <= NAMED:
        legend(figure, axes, palette)
    return figure


def _forecasts(axes: Axes, group: pd.DataFrame, colour: str, name: str) -> None:
    means, values = group['mean'], group['value']
    axes.errorbar(means, values, xerr=group['std'].fillna(0.0), fmt='none', ecolor=colour, elinewidth=0.8, alpha=0.35)
    axes.plot(means, values, 'o', color=colour, markersize=4, label=name)


def errors(palette: Palette, groups: pd.DataFrame, made: pd.DataFrame, objective: Objective) -> Figure | None:
    """Error of each generation of models for the candidates it chose.

    Args:
        palette: Colours.
        groups: Errors by generation, of :func:`~scoutbee.analysis.learning.model_errors`.
        made: Predictions and outcomes behind them.
        objective: What is looked for.
    """
    if not len(groups):
        return None
    figure, (axes,) = panels(palette, (HALF, 4.5))
    shown = made.iloc[evenly(len(made))]
    # Spread sideways by position in the list, so that dots of one generation do not hide each other.
    sideways = shown['generation'] + 0.24 * ((np.arange(len(shown)) * 0.618) % 1 - 0.5)
    axes.plot(sideways, shown['error'].abs(), '.', color=palette.muted, ms=4, alpha=0.5, label='each candidate')
    axes.plot(groups['generation'], groups['mae'], 'o-', color=palette.simulate, lw=1.8, label='mean absolute error')
    stated = groups[groups['std'].notna()]
    if len(stated):
        axes.plot(
            stated['generation'], stated['std'], 's--', color=palette.train, lw=1.4, ms=4, label='stated deviation'
        )
    whole_range(axes, 'x', groups['generation'])
    axes.set_ylim(bottom=0)
    label(axes, 'generation of the models', f'error ({objective.unit})' if objective.unit else 'error')
    legend(figure, axes, palette)
    return figure


def calibration(palette: Palette, curves: dict[str, pd.DataFrame]) -> Figure | None:
    """How often values lay within the intervals that the models stated.

    Args:
        palette: Colours.
        curves: Of :func:`~scoutbee.analysis.learning.calibration`, by name; the first is that of all predictions.
    """
    if not curves:
        return None
    figure, (axes,) = panels(palette, (HALF, 4.5))
    axes.plot([0, 1], [0, 1], color=palette.muted, linewidth=1, linestyle=(0, (4, 3)))
    for place, (name, curve) in enumerate(list(curves.items())[1:]):
        colour = colour_of_place(place, len(curves) - 1)
        axes.plot(curve['level'], curve['share'], color=colour, linewidth=1, alpha=0.8, label=name)
    name, curve = next(iter(curves.items()))
    axes.plot(curve['level'], curve['share'], 'o-', color=palette.honey, linewidth=2, markersize=3.5, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.text(0.04, 0.93, 'too little confidence', color=palette.muted, fontsize=9)
    axes.text(0.96, 0.04, 'too much confidence', color=palette.muted, fontsize=9, ha='right')
    label(axes, 'interval stated', 'values within it')
    legend(figure, axes, palette)
    return figure


def rankings(palette: Palette, changes: pd.DataFrame) -> Figure | None:
    """How much each ranking changed the one before.

    Args:
        palette: Colours.
        changes: Of :func:`~scoutbee.analysis.learning.ranking_changes`.
    """
    if not len(changes):
        return None
    figure, (axes,) = panels(palette, (HALF, 4.5))
    shown = changes.iloc[evenly(len(changes), 300)]
    marker = 'o-' if len(shown) <= 60 else '-'
    lines = {
        'overlap': ('kept of the top', palette.simulate),
        'best_overlap': ('kept of the best ten', palette.honey),
        'correlation': ('order of those kept (Spearman)', palette.infer),
    }
    for column, (name, colour) in lines.items():
        axes.plot(shown['ranking'], shown[column], marker, color=colour, linewidth=1.6, markersize=4, label=name)
    lowest = float(np.nanmin(shown['correlation'])) if shown['correlation'].notna().any() else 0.0
    axes.set_ylim(min(0.0, lowest) - 0.03, 1.03)
    whole_range(axes, 'x', shown['ranking'])
    label(axes, 'ranking', 'share, correlation')
    legend(figure, axes, palette)
    return figure
