"""Figures of how long things took."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..latency import STAGES
from ..svg import Palette
from .base import WIDE, evenly, label, legend, panels, time_scale, whole_range

ROUNDS = 60
"""Most rounds that are drawn."""


def waterfall(palette: Palette, made: pd.DataFrame) -> Figure | None:
    """The life of a task, one panel a kind: medians laid end to end, with a thin line to the 95th percentile.

    Args:
        palette: Colours.
        made: Of :func:`~scoutbee.analysis.latency.waterfall`.
    """
    kinds = [kind for kind, group in made.groupby('kind', sort=False) if group['count'].max() > 0]
    if not kinds:
        return None
    figure, rows = panels(palette, (WIDE, 2.35 * len(kinds)), rows=len(kinds))
    for axes, kind in zip(rows, kinds, strict=True):
        stages = made[made['kind'] == kind].set_index('stage').reindex(STAGES)
        _cascade(axes, palette, palette.of_kind(str(kind)), stages)
        axes.set_title(str(kind), loc='left')
    rows[-1].set_xlabel('seconds since the task was created')
    return figure


def _cascade(axes: Axes, palette: Palette, colour: str, stages: pd.DataFrame) -> None:
    medians, p95 = (np.nan_to_num(stages[name].to_numpy(np.float64)) for name in ('median', 'p95'))
    left = np.concatenate([[0.0], np.cumsum(medians)[:-1]])
    axes.hlines(STAGES, left, left + p95, color=palette.muted, linewidth=1.2)
    axes.barh(STAGES, medians, left=left, height=0.6, color=colour)
    end = float(max((left + p95).max(), (left + medians).max(), 1e-6))
    for place, (name, start) in enumerate(zip(STAGES, left, strict=True)):
        if stages.loc[name, 'count'] > 0:
            text = f'{_short(medians[place])}, 95%: {_short(p95[place])}'
            at = start + max(medians[place], p95[place]) + 0.012 * end
            axes.text(at, place, text, va='center', fontsize=8.5, color=palette.text)
    axes.set_xlim(0, 1.25 * end)
    axes.invert_yaxis()
    axes.grid(visible=False, axis='y')


def _short(seconds: float) -> str:
    if seconds < 0.0005:
        return f'{seconds * 1e6:.0f} µs'
    return f'{seconds * 1000:.3g} ms' if seconds < 1 else f'{seconds:.3g} s'


def rounds(palette: Palette, made: pd.DataFrame) -> Figure | None:
    """What each training round led to, and when.

    Args:
        palette: Colours.
        made: Of :func:`~scoutbee.analysis.rounds.learning_rounds`.
    """
    ends = made[['to_first_model', 'to_first_inference', 'to_first_ranking', 'to_last_ranking']]
    known = made[ends.notna().any(axis=1)]
    if not len(known):
        return None
    known = known.iloc[evenly(len(known), ROUNDS)]
    scale, unit = time_scale(float(np.nanmax(known[list(ends)].to_numpy(np.float64))))
    figure, (axes,) = panels(palette, (WIDE, 1.6 + min(3.4, 0.28 * len(known))))
    generation = known['generation'].astype(int)
    axes.hlines(generation, 0, known[list(ends)].max(axis=1) / scale, color=palette.line, linewidth=2)
    marks = {
        'to_first_model': ('first model', 'o', palette.train),
        'to_first_inference': ('first inference begins', 'D', palette.infer),
        'to_first_ranking': ('first new ranking', '^', palette.simulate),
        'to_last_ranking': ('last new ranking', 's', palette.honey),
    }
    for column, (name, marker, colour) in marks.items():
        axes.plot(known[column] / scale, generation, marker, color=colour, markersize=6, label=name, ls='none')
    axes.set_xlim(left=0)
    whole_range(axes, 'y', generation)
    axes.invert_yaxis()
    label(axes, f'{unit} since the round began', 'generation')
    legend(figure, axes, palette, columns=4)
    return figure
