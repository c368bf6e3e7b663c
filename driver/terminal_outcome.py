"""What a campaign came to, as the last thing a person sees of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

from scoutbee.contracts.candidates import Objective

from .terminal_text import clock, quantity

Status = Literal['completed', 'exhausted', 'failed', 'interrupted']

SHOWN = 10
"""How many of the best are shown."""

WIDE = 200
"""Columns of a table that goes to no terminal."""


@dataclass(frozen=True)
class RandomSampling:
    """What as many simulations of candidates drawn at random would be expected to give.

    Attributes:
        best: Best value, or None where it is not known.
        found: Candidates that reach the threshold, or None where it is not known.
        source: Where these expectations come from, as the end of a sentence.
    """

    best: float | None
    found: float | None
    source: str


@dataclass(frozen=True)
class Outcome:
    """What a campaign came to.

    Attributes:
        campaign: Its name.
        objective: What it looked for.
        status: How it ended.
        reason: Why, in a sentence.
        simulations: How many succeeded.
        found: How many reached the threshold.
        best: The best candidates, best first, as key, value and unit.
        run_directory: Where everything is.
        wall_seconds: How long it took.
        random: What random sampling would give, where that can be told.
    """

    campaign: str
    objective: Objective
    status: Status
    reason: str
    simulations: int
    found: int
    best: Sequence[tuple[str, float, str]]
    run_directory: Path
    wall_seconds: float
    random: RandomSampling | None = None


def print_outcome(outcome: Outcome, stream: TextIO | None = None) -> None:
    """Print the final table; a stream that is gone is no error.

    Args:
        outcome: What to print.
        stream: Where to; standard output if not given.
    """
    with contextlib.suppress(OSError, ValueError):
        _print(outcome, stream if stream is not None else sys.stdout)


def _print(outcome: Outcome, stream: TextIO) -> None:
    from rich.table import Table
    from rich.text import Text

    from .terminal_console import PatientConsole

    # Text that is piped somewhere is for programs: no line of it is cut to some width.
    width = None if stream.isatty() else WIDE
    console = PatientConsole(file=stream, soft_wrap=True, highlight=False, width=width)
    console.print()
    if outcome.best:
        table = Table(title=f'Best of {outcome.simulations} simulations', title_justify='left')
        table.add_column('', justify='right')
        table.add_column(outcome.objective.name, justify='right')
        table.add_column('candidate', overflow='fold')
        for rank, (key, value, unit) in enumerate(outcome.best[:SHOWN], start=1):
            table.add_row(str(rank), quantity(value, unit), Text(key))
        console.print(table)
    for line in outcome_lines(outcome):
        console.print(Text(line))
    stream.flush()


def outcome_lines(outcome: Outcome) -> list[str]:
    """The sentences below the table."""
    lines = [f'{outcome.campaign}: {outcome.status} after {clock(outcome.wall_seconds)}. {outcome.reason}']
    lines += _found_line(outcome)
    lines += _best_line(outcome)
    lines.append(f'Everything is in {outcome.run_directory}')
    return lines


def _found_line(outcome: Outcome) -> list[str]:
    if outcome.objective.threshold is None:
        return []
    side = 'at or above' if outcome.objective.maximize else 'at or below'
    line = (
        f'Found {outcome.found} of {outcome.simulations} {side} '
        f'{quantity(outcome.objective.threshold, outcome.objective.unit)}'
    )
    if outcome.random is None or outcome.random.found is None:
        return [f'{line}.']
    return [f'{line}; as many drawn at random would give {outcome.random.found:.1f} ({outcome.random.source}).']


def _best_line(outcome: Outcome) -> list[str]:
    if not outcome.best or outcome.random is None or outcome.random.best is None:
        return []
    unit = outcome.objective.unit
    return [
        f'Best {quantity(outcome.best[0][1], unit)}; the best of as many drawn at random would be about '
        f'{quantity(outcome.random.best, unit)} ({outcome.random.source}).'
    ]
