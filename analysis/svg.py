"""Matplotlib figures as SVG that takes its colours from the page, so that one file serves dark and light."""

from __future__ import annotations

import html
import io
import re
from contextlib import AbstractContextManager

import matplotlib
from matplotlib.figure import Figure

TEXT = '#010203'
MUTED = '#010204'
GRID = '#010205'
SIMULATE = '#010206'
TRAIN = '#010207'
INFER = '#010208'
HONEY = '#010209'
BAD = '#01020a'

_VARIABLES = {
    TEXT: '--text',
    MUTED: '--muted',
    GRID: '--line',
    SIMULATE: '--simulate',
    TRAIN: '--train',
    INFER: '--infer',
    HONEY: '--honey',
    BAD: '--bad',
}
"""Colours that no figure has by chance, and the variables of the page that replace them."""

STYLE = {
    'svg.fonttype': 'none',  # Text stays text: smaller, searchable, in the page's font.
    'svg.hashsalt': 'scoutbee',
    'font.size': 10,
    'text.parse_math': False,  # Names come from users, who may write a dollar sign.
    'text.color': TEXT,
    'axes.labelcolor': MUTED,
    'axes.edgecolor': GRID,
    'axes.titlecolor': TEXT,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'axes.axisbelow': True,
    'grid.color': GRID,
    'grid.linewidth': 0.6,
    'xtick.color': GRID,
    'ytick.color': GRID,
    'xtick.labelcolor': MUTED,
    'ytick.labelcolor': MUTED,
    'legend.frameon': False,
    'legend.fontsize': 9,
    'lines.solid_capstyle': 'round',
}

_FONT = re.compile(r'font: ([\d.]+px) [^;"]*')
_GROUP_ID = re.compile(r'<g id="[^"]*"')
_METADATA = re.compile(r'<metadata>.*?</metadata>', re.DOTALL)


def style() -> AbstractContextManager[None]:
    """A context in which figures get the look of the report."""
    context: AbstractContextManager[None] = matplotlib.rc_context(STYLE)
    return context


def inline_svg(figure: Figure, label: str) -> str:
    """A figure as an ``<svg>`` element for an HTML page.

    Args:
        figure: The figure, drawn within :func:`style` in the colours of this module.
        label: What it shows, for those who cannot see it.
    """
    buffer = io.StringIO()
    with style():
        figure.savefig(buffer, format='svg', transparent=True)
    text = buffer.getvalue()
    text = _METADATA.sub('', text[text.index('<svg') :])
    text = _GROUP_ID.sub('<g', text)  # They repeat from figure to figure, and nothing refers to them.
    text = _FONT.sub(r'font-size: \1', text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f'var({variable})')
    return _fluid(text, label)


def _fluid(text: str, label: str) -> str:
    """Let the page give the width; the view box keeps the shape."""
    head, rest = text.split('>', 1)
    head = re.sub(r'\s(width|height)="[^"]*"', '', head)
    return f'{head} role="img" aria-label="{html.escape(label, quote=True)}">{rest}'.replace('\n', ' ')
