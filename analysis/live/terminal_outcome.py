"""What a campaign came to, as the last thing a person sees of it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from scoutbee.contracts.candidates import Objective

from .terminal_text import clock, quantity

SHOWN = 10
"""How many of the best are shown."""

WIDE = 200
"""Columns of a table that goes to no terminal."""


@dataclass(frozen=True)
class Outcome:
    """What a campaign came to.

    Attributes:
        campaign: Its name.
        objective: What it looked for.
        status: How it ended.
        reason: Why, in a sentence.
        simulations: How many succeeded.
        best: The best candidates, best first, as key, value and unit.
        run_directory: Where everything is.
        wall_seconds: How long it took.
        verdict: What was found, beside what as many random picks would have given; None where that cannot be told.
    """

    campaign: str
    objective: Objective
    status: str
    reason: str
    simulations: int
    best: Sequence[tuple[str, float, str]]
    run_directory: Path
    wall_seconds: float
    verdict: str | None = None


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
    is_terminal = stream.isatty()
    width = None if is_terminal else WIDE
    console = PatientConsole(file=stream, soft_wrap=not is_terminal, highlight=False, width=width)
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
    if outcome.verdict is not None:
        lines.append(outcome.verdict)
    lines.append(f'Everything is in {outcome.run_directory}')
    return lines
