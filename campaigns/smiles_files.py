"""Reading the two files a molecules campaign starts from: the search space and the training set."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scoutbee.contracts.errors import ConfigurationError
from scoutbee.models.surrogate import LARGEST_VALUE
from scoutbee.models.texts import Texts

from .plain_lines import PlainLines, iterate_smi
from .rejects import Rejects
from .rows import FORMATS, Row, is_table, iterate_rows

NOT_A_NUMBER = 'with a value that is not a number'
NOT_FINITE = 'with a value that is missing or not finite'
TOO_LARGE = f'with a value beyond {LARGEST_VALUE:g}'
CONFLICT = 'with another value for a molecule that has one'


_TOGETHER = 8_192
"""Molecules read one by one that are then packed."""


@dataclass(frozen=True)
class Molecules:
    """What a file held.

    Attributes:
        path: The file.
        smiles: Each molecule once, as it was written first, in the file's order.
        lines: Line each was on, from 1; shape (molecules,), int64.
        values: Value of each where a column of values was read, else empty; shape (molecules,), float64.
        duplicates: Lines that repeat an earlier one.
        blanks: Blank lines, comments and headers.
        rejected: Lines that could not be used.
    """

    path: Path
    smiles: Texts
    lines: NDArray[np.int64]
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
    before = rejects.count
    if value_column is not None:
        found = _read_valued(path, field, rejects, value_column)
    else:
        found = _read_alone(path, field, rejects)
    found = replace(found, rejected=rejects.count - before)
    if not found.smiles:
        raise ConfigurationError(nothing_left(found, field, rejects))
    return found


def _read_alone(path: Path, field: str, rejects: Rejects) -> Molecules:
    """Molecules without values; there may be millions, so that what is repeated is seen at the end, all at once."""
    collected = _Collected()
    blanks = 0
    for row in iterate_rows(path, field) if is_table(path, field) else iterate_smi(path, field):
        if row is None:
            blanks += 1
        elif isinstance(row, PlainLines):
            collected.extend(row)
        elif row.reason is not None:
            rejects.add(row.line, row.reason, row.text)
        else:
            collected.add(row)
    smiles, lines = collected.all()
    firsts = smiles.first_rows()
    duplicates = len(smiles) - len(firsts)
    if duplicates:
        smiles, lines = smiles.take(firsts), lines[firsts]
    return Molecules(path, smiles, lines, np.empty(0), duplicates, blanks, 0)


def _read_valued(path: Path, field: str, rejects: Rejects, value_column: str) -> Molecules:
    """Molecules with values, each compared with the one that its molecule has already."""
    seen: dict[str, float] = {}
    lines: list[int] = []
    duplicates = blanks = 0
    for row in iterate_rows(path, field, value_column):
        if row is None:
            blanks += 1
            continue
        reason, value = row.reason, math.nan
        if reason is None:
            reason, value = _number(row.value)
        known = seen.get(row.smiles) if reason is None else None
        if known is not None and known != value:
            reason = CONFLICT
        if reason is not None:
            rejects.add(row.line, reason, row.text)
        elif known is not None:
            duplicates += 1
        else:
            seen[row.smiles] = value
            lines.append(row.line)
    values = np.fromiter(seen.values(), dtype=np.float64)
    return Molecules(path, Texts.of(seen), np.array(lines, dtype=np.int64), values, duplicates, blanks, 0)


class _Collected:
    """SMILES and the lines they were on, many at a time or one by one."""

    def __init__(self) -> None:
        self._runs: list[PlainLines] = []
        self._numbers: list[NDArray[np.int64]] = []
        self._single: list[Row] = []

    def extend(self, run: PlainLines) -> None:
        self._flush()
        self._runs.append(run)
        self._numbers.append(np.arange(run.first, run.first + len(run.sizes), dtype=np.int64))

    def add(self, row: Row) -> None:
        self._single.append(row)
        if len(self._single) >= _TOGETHER:
            self._flush()

    def all(self) -> tuple[Texts, NDArray[np.int64]]:
        self._flush()
        nothing = [np.empty(0, dtype=np.int64)]
        sizes = np.concatenate(nothing + [run.sizes for run in self._runs])
        content = b''.join(run.content for run in self._runs)
        self._runs.clear()
        return Texts(content, sizes), np.concatenate(nothing + self._numbers)

    def _flush(self) -> None:
        rows, self._single = self._single, []
        if rows:
            encoded = [row.smiles.encode() for row in rows]
            sizes = np.array([len(text) for text in encoded], dtype=np.int64)
            self._runs.append(PlainLines(b''.join(encoded), sizes, rows[0].line))
            self._numbers.append(np.array([row.line for row in rows], dtype=np.int64))


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
