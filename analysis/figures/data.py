"""Figures of what moved."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..svg import Palette
from .base import HALF, byte_scale, corners, label, legend, panels, time_scale, whole_numbers


def traffic(palette: Palette, made: pd.DataFrame) -> Figure | None:
    """Bytes to and from the workers of each kind, by the way they took.

    Args:
        palette: Colours.
        made: Of :func:`~scoutbee.analysis.traffic.traffic`.
    """
    if not len(made) or not made['bytes'].sum():
        return None
    table = made.pivot_table(index=['kind', 'direction'], columns='way', values='bytes', aggfunc='sum', fill_value=0)
    scale, unit = byte_scale(float(table.sum(axis=1).max()))
    figure, (axes,) = panels(palette, (HALF, 3.7))
    names = [f'{kind} {"←" if direction == "in" else "→"}' for kind, direction in table.index]
    left = np.zeros(len(table))
    for way, colour in zip(table, palette.series * len(table.columns), strict=False):
        sizes = table[way].to_numpy(np.float64) / scale
        axes.barh(names, sizes, left=left, height=0.62, color=colour, label=str(way))
        left += sizes
    axes.invert_yaxis()
    axes.grid(visible=False, axis='y')
    label(axes, f'{unit}; ← to the worker, → from it', '')
    legend(figure, axes, palette, columns=4)
    return figure


def objects(palette: Palette, alive: pd.DataFrame, start: float) -> Figure | None:
    """Objects in use in the stores over time, and their bytes.

    Args:
        palette: Colours.
        alive: Of :func:`~scoutbee.analysis.traffic.objects_alive`.
        start: When the run began, seconds since the epoch.
    """
    if not len(alive):
        return None
    seconds = alive['time'].to_numpy(np.float64) - start
    scale, unit = time_scale(float(seconds.max()))
    figure, both = panels(palette, (HALF, 3.7), rows=2, sharex=True)
    weight, of_bytes = byte_scale(float(alive['bytes'].max()))
    rows = (('objects', 'objects', 1.0, palette.infer), ('bytes', of_bytes, weight, palette.simulate))
    for axes, (column, name, size, colour) in zip(both, rows, strict=True):
        values = alive[column].to_numpy(np.float64) / size
        keep = corners(values)
        axes.fill_between(seconds[keep] / scale, values[keep], step='post', color=colour, alpha=0.8, linewidth=0)
        axes.set_ylabel(name)
        axes.set_ylim(bottom=0)
    whole_numbers(both[0])
    both[-1].set_xlabel(f'{unit} since the start')
    return figure
