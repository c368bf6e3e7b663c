"""Figures of how the machine was used."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..idle import CAUSES
from ..machine import busy_workers, peak
from ..svg import Palette
from .base import WIDE, label, legend, panels, time_scale

CAUSE_COLOURS = dict(zip(CAUSES, (
    '#8a8578', '#5b8ff0', '#a06ad0', '#c07f18', '#c9622f', '#a8732a', '#b88a5a', '#3f74c4', '#2fa08a', '#1f7f9c',
    '#6f9f3a', '#b5566f', '#6d6a63',
), strict=True))  # fmt: skip
"""A colour for each cause of idleness; they stand out on white and on black, and the table gives the numbers."""


def use(palette: Palette, spans: pd.DataFrame, sessions: pd.DataFrame, kinds: Sequence[str]) -> Figure | None:
    """Busy workers of each kind over time, one panel a kind.

    Args:
        palette: Colours.
        spans: Busy times.
        sessions: When the campaign ran.
        kinds: Kinds of task, in the order of the panels.
    """
    kinds = [kind for kind in kinds if (spans['kind'] == kind).any()]
    if not kinds or not len(sessions):
        return None
    start = min(sessions['start'].min(), spans['started'].min())
    end = max(sessions['end'].max(), spans['ended'].max())
    scale, unit = time_scale(end - start)
    figure, rows = panels(palette, (WIDE, 0.5 + 1.15 * len(kinds)), rows=len(kinds), sharex=True)
    for axes, kind in zip(rows, kinds, strict=True):
        mine = spans[spans['kind'] == kind]
        edges, busy = busy_workers(mine, start, end)
        axes.stairs(busy, edges / scale, fill=True, color=palette.of_kind(kind), alpha=0.85)
        axes.set_ylim(0, max(1, peak(mine)) * 1.05)
        axes.set_ylabel(kind)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
        for resumed in sessions['start'].iloc[1:]:
            axes.axvline((resumed - start) / scale, color=palette.bad, linewidth=1, linestyle=(0, (2, 2)))
    rows[-1].set(xlim=(0, (end - start) / scale), xlabel=f'{unit} since the start')
    return figure


def idle(palette: Palette, machine: pd.DataFrame, names: Sequence[str]) -> Figure | None:
    """Idle time by cause, a bar for each row, as a share of all the time of its workers.

    Args:
        palette: Colours.
        machine: Of :func:`~scoutbee.analysis.idle.machine_use`.
        names: What to call each row.
    """
    whole = (machine['busy_seconds'] + machine['idle_seconds']).to_numpy(np.float64)
    if not len(machine) or not (machine['idle_seconds'] > 0).any():
        return None
    figure, (axes,) = panels(palette, (WIDE, 1.5 + 0.42 * len(machine)))
    _stack(axes, machine, names, whole)
    axes.invert_yaxis()
    axes.grid(visible=False, axis='y')
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlim(left=0)
    label(axes, 'idle share of the time of the workers', '')
    legend(figure, axes, palette, columns=6)
    return figure


def _stack(axes: Axes, machine: pd.DataFrame, names: Sequence[str], whole: np.ndarray) -> None:
    left = np.zeros(len(machine))
    for cause in CAUSES:
        share = np.divide(machine[cause].to_numpy(np.float64), whole, out=np.zeros_like(whole), where=whole > 0)
        if share.any():
            title = cause.replace('_', ' ')
            axes.barh(list(names), share, left=left, height=0.62, color=CAUSE_COLOURS[cause], label=title)
            left += share
