"""Figures of several runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scoutbee.contracts.candidates import Objective

from ..svg import Palette
from .base import HALF, label, legend, panels, quantity, whole_numbers
from .outcome import wanted


def curve(palette: Palette, curves: Mapping[str, pd.DataFrame], column: str, objective: Objective) -> Figure | None:
    """Progress of groups of replicates, their means with intervals.

    Args:
        palette: Colours.
        curves: Of :func:`~scoutbee.analysis.compare.curves`, by name of the group.
        column: ``best`` or ``found``.
        objective: What is looked for.
    """
    drawn = {name: made for name, made in curves.items() if len(made)}
    if not drawn or (column == 'found' and objective.threshold is None):
        return None
    figure, (axes,) = panels(palette, (HALF, 4.0))
    for (name, made), colour in zip(drawn.items(), palette.series * len(drawn), strict=False):
        x = made['simulations']
        low, high = (made[f'{column}_{end}'].to_numpy(np.float64) for end in ('low', 'high'))
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        axes.step(x, made[column], where='post', color=colour, linewidth=2, label=name)
    if column == 'found':
        whole_numbers(axes)
    elif objective.threshold is not None:
        axes.axhline(objective.threshold, color=palette.bad, linewidth=1, linestyle=(0, (4, 3)))
    label(axes, 'simulations', quantity(objective) if column == 'best' else f'found ({wanted(objective)})')
    legend(figure, axes, palette, columns=2)
    return figure
