"""Tables as files that other programs read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from scoutbee.traces.errors import TraceError


def _parquet(table: pd.DataFrame, path: Path) -> None:
    table.to_parquet(path, engine='pyarrow', index=False)


def _csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False)


FORMATS: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {'parquet': _parquet, 'csv': _csv}
"""What writes each format, whose name is also the ending of the files."""


def export_tables(tables: Mapping[str, pd.DataFrame], folder: Path, format: str) -> list[Path]:
    """Write every table to a file of its own.

    Args:
        tables: The tables by name.
        folder: Where the files go; made where it does not exist. Files of the same names are replaced.
        format: One of ``FORMATS``.

    Returns:
        Paths of the files.

    Raises:
        ValueError: If there is no such format.
        TraceError: If a file cannot be written.
    """
    if format not in FORMATS:
        raise ValueError(f'Expected a format of {", ".join(FORMATS)}, got {format!r}.')
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            path = folder / f'{name}.{format}'
            FORMATS[format](table, path)
            paths.append(path)
    except OSError as error:
        raise TraceError(f'Cannot write the tables to {folder}: {error.strerror or error}.') from error
    return paths
