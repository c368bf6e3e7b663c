"""Matplotlib figures as SVG that takes its colours from the page, and as files with colours of their own."""

from __future__ import annotations

import html
import io
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from scoutbee.traces.errors import TraceError


@dataclass(frozen=True)
class Palette:
    """The colours of a figure; the fields are those of the page's style sheet, ``--text`` and so on."""

    text: str
    muted: str
    line: str
    simulate: str
    train: str
    infer: str
    honey: str
    bad: str

    def of_kind(self, kind: str) -> str:
        """Colour of a kind of task."""
        return {'simulate': self.simulate, 'train': self.train, 'infer': self.infer}.get(kind, self.muted)

    @property
    def series(self) -> tuple[str, ...]:
        """Colours that tell curves apart."""
        return self.simulate, self.train, self.infer, self.honey, self.bad, self.muted


PAGE = Palette('#010203', '#010204', '#010205', '#010206', '#010207', '#010208', '#010209', '#01020a')
"""Colours that no figure has by chance; the page puts its own in their place, so that one file is dark and light."""

PAPER = Palette('#1d1c19', '#6b675e', '#e3dfd5', '#2f6db3', '#c0532b', '#1f8a74', '#9c6400', '#b3261e')
"""Colours on white paper."""

_FONT = re.compile(r'font: ([\d.]+px) [^;"]*')
_GROUP_ID = re.compile(r'<g id="[^"]*"')
_METADATA = re.compile(r'<metadata>.*?</metadata>', re.DOTALL)


def style(palette: Palette, outlined: bool = False) -> AbstractContextManager[None]:
    """A context in which figures get the look of the report.

    Args:
        palette: Their colours.
        outlined: Whether letters become shapes, for files that are opened where the fonts differ.
    """
    context: AbstractContextManager[None] = matplotlib.rc_context({
        'svg.fonttype': 'path' if outlined else 'none',
        'svg.hashsalt': 'scoutbee',
        'font.size': 10,
        'text.parse_math': False,  # Names come from users, who may write a dollar sign.
        'text.color': palette.text,
        'axes.labelcolor': palette.muted,
        'axes.edgecolor': palette.line,
        'axes.titlecolor': palette.text,
        'axes.titlesize': 10.5,
        'axes.spines.top': False,
        'axes.spines.right': False,
        'axes.grid': True,
        'axes.axisbelow': True,
        'grid.color': palette.line,
        'grid.linewidth': 0.6,
        'xtick.color': palette.line,
        'ytick.color': palette.line,
        'xtick.labelcolor': palette.muted,
        'ytick.labelcolor': palette.muted,
        'legend.frameon': False,
        'legend.fontsize': 9,
        'legend.labelcolor': palette.text,
        'lines.solid_capstyle': 'round',
    })  # fmt: skip
    return context


def inline_svg(figure: Figure, label: str) -> str:
    """A figure as an ``<svg>`` element for an HTML page.

    Args:
        figure: The figure, drawn within :func:`style` in the colours of ``PAGE``.
        label: What it shows, for those who cannot see it.
    """
    buffer = io.StringIO()
    with style(PAGE):
        figure.savefig(buffer, format='svg', transparent=True)
    text = buffer.getvalue()
    text = _METADATA.sub('', text[text.index('<svg') :])
    text = _GROUP_ID.sub('<g', text)  # They repeat from figure to figure, and nothing refers to them.
    text = _FONT.sub(r'font-size: \1', text)
    for field in fields(PAGE):
        text = text.replace(getattr(PAGE, field.name), f'var(--{field.name})')
    return _fluid(text, label)


def save_files(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as ``stem.svg`` and ``stem.png``.

    Args:
        figure: The figure, drawn within :func:`style` in the colours of ``PAPER``.
        stem: Path of the files, without the endings.

    Raises:
        TraceError: If they cannot be written.
    """
    paths = [stem.parent / f'{stem.name}{ending}' for ending in ('.svg', '.png')]
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        with style(PAPER, outlined=True):
            figure.savefig(paths[0], facecolor='white', metadata={'Date': None})
            figure.savefig(paths[1], facecolor='white', dpi=160)
    except OSError as error:
        raise TraceError(f'Cannot write the figure {stem}: {error.strerror or error}.') from error
    return paths


def _fluid(text: str, label: str) -> str:
    """Let the page give the width; the view box keeps the shape."""
    head, rest = text.split('>', 1)
    head = re.sub(r'\s(width|height)="[^"]*"', '', head)
    return f'{head} role="img" aria-label="{html.escape(label, quote=True)}">{rest}'.replace('\n', ' ')
