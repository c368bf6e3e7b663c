"""What benchmarks share: lists of seeds, medians with intervals, tables that can be pasted into Markdown."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

_RESAMPLES = 10_000


@dataclass(frozen=True)
class MedianInterval:
    """A median and how sure it is.

    Attributes:
        median: The median.
        low: Lower end of its confidence interval.
        high: Upper end.
    """

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        """As ``median [low, high]``, each in the format given."""
        return f'{self.median:{spec}} [{self.low:{spec}}, {self.high:{spec}}]'


def median_interval(values: Sequence[float], confidence: float = 0.9) -> MedianInterval:
    """The median, with the percentile bootstrap interval (Efron, 1979); the same each time for the same values.

    Args:
        values: At least one number, in any unit.
        confidence: Probability that the interval covers, between 0 and 1.

    Raises:
        ValueError: If there are no values or the confidence is no such probability.
    """
    if not len(values) or not 0 < confidence < 1:
        raise ValueError(f'Expected values and a confidence between 0 and 1, got {values!r} and {confidence}.')
    data = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(0).choice(data, (_RESAMPLES, len(data)))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.median(drawn, axis=1), [tail, 1 - tail])
    return MedianInterval(float(np.median(data)), float(low), float(high))


def seed_list(text: str) -> tuple[int, ...]:
    """Seeds as a person writes them: ``0-7``, ``1,4,9``, or both mixed; for ``argparse``.

    Raises:
        argparse.ArgumentTypeError: If that is not what the text says.
    """
    seeds: list[int] = []
    for part in text.split(','):
        first, dash, last = part.strip().partition('-')
        if not first.isdigit() or (dash and not last.isdigit()):
            raise argparse.ArgumentTypeError(f'expected seeds such as 0-7 or 1,4,9, got {text!r}')
        if dash and int(last) < int(first):
            raise argparse.ArgumentTypeError(f'expected seeds such as 0-7, the smaller first, got {text!r}')
        seeds.extend(range(int(first), int(last if dash else first) + 1))
    return tuple(dict.fromkeys(seeds))


def print_table(title: str, headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table in Markdown: the first column to the left, numbers to the right."""
    table = Table(box=box.MARKDOWN)
    for i, header in enumerate(headers):
        table.add_column(header, justify='right' if i else 'left', no_wrap=True)
    for row in rows:
        table.add_row(*map(str, row))
    console = Console(width=200, markup=False)  # The [nH] of a SMILES is none.
    console.print(f'\n{title}\n')
    console.print(table)
