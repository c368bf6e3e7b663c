"""Reading the two files a molecules campaign starts from: the search space and the training set."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.models.surrogate import LARGEST_VALUE

from .rejects import Rejects
from .rows import FORMATS, iterate_rows

NOT_A_NUMBER = 'with a value that is not a number'
NOT_FINITE = 'with a value that is missing or not finite'
TOO_LARGE = f'with a value beyond {LARGEST_VALUE:g}'
CONFLICT = 'with another value for a molecule that has one'


@dataclass(frozen=True)
class Molecules:
    """What a file held.

    Attributes:
        path: The file.
        smiles: Each molecule once, as it was written first, in the file's order.
        lines: Line each was on, from 1.
        values: Value of each where a column of values was read, else empty; shape (molecules,), float64.
        duplicates: Lines that repeat an earlier one.
        blanks: Blank lines, comments and headers.
        rejected: Lines that could not be used.
    """

    path: Path
    smiles: Sequence[str]
    lines: Sequence[int]
    values: NDArray[np.float64]
    duplicates: int
    blanks: int
    rejected: int

    def __len__(self) -> int:
        return len(self.smiles)


def read_molecules(path: Path, field: str, rejects: Rejects, value_column: str | None = None) -> Molecules:
    """Read molecules, and a value of each where a column is named. Two lines with the same SMILES are one molecule.

    Whether a SMILES is a molecule to chemistry is seen later, when its features are computed.

    Args:
        path: A file as ``rows.iterate_rows`` describes it.
        field: Name of the setting that named the file, for messages.
        rejects: Told of each line that cannot be used.
        value_column: Column of values. The first value of a molecule counts; lines with another are rejected.

    Raises:
        ConfigurationError: If the file cannot be read, lacks a column, or holds nothing that can be used.
    """
    seen: dict[str, float] = {}
    lines = array('Q')
    duplicates = blanks = 0
    before = rejects.count
    for row in iterate_rows(path, field, value_column):
        if row is None:
            blanks += 1
            continue
        reason, value = row.reason, math.nan
        if reason is None and value_column is not None:
            reason, value = _number(row.value)
        known = seen.get(row.smiles) if reason is None else None
        if known is not None and value_column is not None and known != value:
            reason = CONFLICT
        if reason is not None:
            rejects.add(row.line, reason, row.text)
        elif known is not None:
            duplicates += 1
        else:
            seen[row.smiles] = value
            lines.append(row.line)
    numbers = np.fromiter(seen.values(), dtype=np.float64) if value_column is not None else np.empty(0)
    found = Molecules(path, list(seen), lines, numbers, duplicates, blanks, rejects.count - before)
    if not found.smiles:
        raise ConfigurationError(nothing_left(found, field, rejects))
    return found


def _number(text: str) -> tuple[str | None, float]:
    if not text:
        return NOT_FINITE, math.nan
    if '_' in text or not text.isascii():  # Python reads these as numbers; whoever wrote them may have meant another.
        return NOT_A_NUMBER, math.nan
    try:
        value = float(text)
    except ValueError:
        return NOT_A_NUMBER, math.nan
    if not math.isfinite(value):
        return NOT_FINITE, math.nan
    return (None, value) if abs(value) <= LARGEST_VALUE else (TOO_LARGE, math.nan)


def nothing_left(found: Molecules, field: str, rejects: Rejects) -> str:
    """What to say of a file that holds nothing that can be used."""
    if rejects.count:
        where = '' if rejects.path is None else f'; see {rejects.path}'
        came = f'{rejects.count:,} lines that cannot be used ({rejects.summary()}{where})'
    else:
        came = 'none' if found.blanks else 'an empty file'
    return (
        f'{field}: expected at least one molecule in {found.path}, got {came}; '
        f'give a file ({", ".join(FORMATS)}) with a SMILES on each line.'
    )
