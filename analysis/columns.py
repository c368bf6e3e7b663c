"""Rows of records as tidy columns, batch by batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from .lines import transposed

Kind = type[float] | type[int] | type[str] | type[bool]


class Columns:
    """Columns that grow by batches; one that a batch lacks is empty there."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        """Begin with no rows.

        Args:
            kinds: What the columns that are always there hold, in their order. Integers may be missing.
        """
        self._known = frozenset(kinds)
        self._kinds = dict(kinds)
        self._parts: dict[str, list[tuple[int, Sequence[Any]]]] = defaultdict(list)
        self._rows = 0

    def extend(self, rows: int, columns: Mapping[str, Sequence[Any]]) -> None:
        """Add a batch.

        Args:
            rows: How many rows it has.
            columns: Its columns. A column that has not been seen before holds numbers where ``None`` and numbers are
                all it has here, else text.
        """
        for name, values in columns.items():
            if name not in self._known:
                self._settle(name, values)
            self._parts[name].append((self._rows, values))
        self._rows += rows

    def _settle(self, name: str, values: Sequence[Any]) -> None:
        """What a column that is not always there holds: numbers, until it has anything else."""
        if self._kinds.get(name) is not str:
            self._kinds[name] = float if _NUMBERS.issuperset(map(type, values)) else str

    def frame(self) -> pd.DataFrame:
        """The table."""
        return pd.DataFrame({name: self._series(name, kind) for name, kind in self._kinds.items()})

    def _series(self, name: str, kind: Kind) -> Any:
        parts = self._parts.pop(name, [])
        if kind is float:
            numbers = np.full(self._rows, np.nan)
            for start, values in parts:
                numbers[start : start + len(values)] = np.asarray(values, dtype=np.float64)
            return numbers
        items: list[Any] = [None] * self._rows
        for start, values in parts:
            items[start : start + len(values)] = values
        if kind is str:
            return pd.Series(_texts(items), dtype='str' if _TEXT_IS_A_TYPE else 'object')
        return pd.Series(items, dtype='bool') if kind is bool else _integers(items)


_TEXT_IS_A_TYPE = int(pd.__version__.split('.', 1)[0]) >= 3
"""Before pandas 3 ``str`` would turn a missing text into the text ``None``."""


def spread(objects: Sequence[Mapping[str, Any]], prefix: str = '', suffix: str = '') -> dict[str, Sequence[Any]]:
    """What objects hold, as one column a name; missing values are None.

    Args:
        objects: One a row.
        prefix: What each name gets in front.
        suffix: What it gets at its end.
    """
    return {f'{prefix}{name}{suffix}': column for name, column in transposed(objects).items()}


def spread_plain(objects: Sequence[Mapping[str, Any]], prefix: str) -> dict[str, Sequence[Any]]:
    """As :func:`spread`, without columns in which there is a list or an object."""
    columns = spread(objects, prefix)
    return {name: column for name, column in columns.items() if not _NESTED & set(map(type, column))}


_NESTED = {dict, list}


_NUMBERS = frozenset({float, int, type(None)})


def _texts(items: list[Any]) -> list[str | None]:
    if {str, type(None)}.issuperset(map(type, items)):
        return items
    return [item if item is None or type(item) is str else str(item) for item in items]


def _integers(items: list[Any]) -> pd.Series:
    try:
        return pd.Series(items, dtype='Int64' if None in items else 'int64')
    except OverflowError:  # more than 64 bits
        return pd.Series(items, dtype='Float64')


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of several with the same columns; empty ones are left out, since they would decide the types."""
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
