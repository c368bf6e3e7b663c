"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

NOTHING = '\N{EN DASH}'
"""Stands where there is no number."""

Says = Literal['text', 'key', 'code', 'count', 'number', 'signed', 'percent', 'seconds', 'bytes']
"""How a value is written; ``code`` is text of several lines, opened by the reader."""

NUMERIC = ('count', 'number', 'signed', 'percent', 'seconds', 'bytes')

_FRACTIONS = {1.0: 'all', 3 / 4: 'three quarters', 2 / 3: 'two thirds', 1 / 2: 'half', 1 / 3: 'a third',
              1 / 4: 'a quarter'}  # fmt: skip


def written(value: Any, says: Says) -> str:
    """A value of a table as text; None and empty text as :data:`NOTHING`."""
    if value is None or value == '':
        return NOTHING
    writers: Mapping[str, Callable[[Any], str]] = {
        'count': lambda number: f'{int(number):,}',
        'number': number,
        'signed': lambda number: f'{number:+.3g}',
        'percent': percent,
        'seconds': seconds,
        'bytes': size,
    }
    return writers[says](value) if says in writers else str(value)


def number(value: float | None, digits: int = 4, zeros: bool = False) -> str:
    """A number with so many digits that count, and with its trailing zeros where they stand below each other."""
    if value is None:
        return NOTHING
    return f'{value:#.{digits}g}' if zeros else f'{value:.{digits}g}'


def percent(share: float | None) -> str:
    """A share in percent; with a digit behind the point where it is near an end."""
    if share is None:
        return NOTHING
    if 0 < share < 0.001:
        return '<0.1%'
    near_end = 0 < share < 0.1 or 0.9 < share < 1
    return f'{share:.1%}' if near_end else f'{share:.0%}'


def seconds(value: float | None) -> str:
    """A time as people say it."""
    if value is None:
        return NOTHING
    if value == 0:
        return '0 s'
    if value < 0.0005:
        return f'{value * 1e6:.0f} µs'
    if value < 1:
        return f'{value * 1000:.3g} ms'
    if value < 120:
        return f'{value:.3g} s'
    if value < 7200:
        return f'{value // 60:.0f} min {value % 60:.0f} s'
    return f'{value / 3600:.1f} h'


def size(value: float | None) -> str:
    """Bytes in decimal units."""
    if value is None:
        return NOTHING
    for scale, unit in ((1e9, 'GB'), (1e6, 'MB'), (1e3, 'kB')):
        if value >= scale:
            return f'{value / scale:.3g} {unit}'
    return f'{value:.0f} B'


def share_of(share: float) -> str:
    """A share as one says it in a sentence: ``two thirds``, else ``41%``."""
    for fraction, words in _FRACTIONS.items():
        if abs(share - fraction) < 0.012:
            return words
    return f'{share:.0%}'


def plural(count: int, noun: str, several: str = '') -> str:
    """``1 line``, ``2 lines``."""
    return f'{count:,} {noun if count == 1 else several or noun + "s"}'


def listed(items: list[str]) -> str:
    """``a, b and c``."""
    return ', '.join(items[:-1]) + f' and {items[-1]}' if len(items) > 1 else ''.join(items)
