"""Files of SMILES: one a line (``.smi``), or a column called ``smiles`` (``.csv``), gzip too."""

from __future__ import annotations

import csv
import gzip
import hashlib
import heapq
import io
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from scoutbee.contracts.errors import ConfigurationError

ENDINGS = ('.smi', '.smi.gz', '.csv', '.csv.gz')


def check_name(path: Path) -> None:
    """Raise ``ConfigurationError`` unless the name ends as a file of molecules does."""
    if not path.name.lower().endswith(ENDINGS):
        raise ConfigurationError(f'Expected a file name ending in one of {", ".join(ENDINGS)}; got {str(path)!r}.')


def read_molecules(path: Path) -> Iterator[str]:
    """The SMILES of a file, as they are written, blank lines left out.

    Raises:
        ConfigurationError: If the file cannot be read, or is a table without a column ``smiles`` (any case).
    """
    check_name(path)
    try:
        with _opened(path) as stream:
            yield from _column(path, stream) if _is_table(path) else _words(stream)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ConfigurationError(f'Could not read molecules from {path}: {error}.') from error


def write_molecules(path: Path, molecules: Iterable[str]) -> int:
    """Write SMILES, all of them or nothing, and return how many.

    The file appears under its name only when it is complete; the same molecules give the same bytes.

    Raises:
        ConfigurationError: If the file cannot be written.
    """
    check_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    except OSError as error:
        raise ConfigurationError(f'Could not write {path}: {error}. Choose another place.') from error
    partial = Path(name)
    try:
        with os.fdopen(handle, 'wb') as raw:
            count = _write(path, raw, molecules)
            raw.flush()
            os.fsync(raw.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except OSError as error:
        raise ConfigurationError(f'Could not write {path}: {error}. Choose another place.') from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def sample(molecules: Iterable[str], size: int, seed: int) -> list[str]:
    """A random sample without repetition, in random order.

    Each molecule is drawn by a hash of it and the seed, so the sample depends on neither the order of the input nor
    the version of a random number generator. Which molecules were seen is held in memory.

    Raises:
        ConfigurationError: If there are fewer distinct molecules than asked for.
    """
    drawn = heapq.nsmallest(size, ((_lot(smiles, seed), smiles) for smiles in _distinct(molecules)))
    if len(drawn) < size:
        raise ConfigurationError(f'Expected at least {size:,} distinct molecules to sample from, got {len(drawn):,}.')
    return [smiles for _, smiles in drawn]


def _distinct(molecules: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for smiles in molecules:
        if smiles not in seen:
            seen.add(smiles)
            yield smiles


def _lot(smiles: str, seed: int) -> bytes:
    return hashlib.blake2b(f'{seed}:{smiles}'.encode(), digest_size=16).digest()


def _is_table(path: Path) -> bool:
    return path.name.lower().endswith(('.csv', '.csv.gz'))


def _opened(path: Path) -> IO[str]:
    if path.name.lower().endswith('.gz'):
        return gzip.open(path, 'rt', encoding='utf-8', newline='')
    return path.open(encoding='utf-8', newline='')


def _words(stream: IO[str]) -> Iterator[str]:
    for line in stream:
        words = line.split(maxsplit=1)
        if words:
            yield words[0]


def _column(path: Path, stream: IO[str]) -> Iterator[str]:
    rows = csv.reader(stream)
    header = [name.strip().lower() for name in next(rows, [])]
    if 'smiles' not in header:
        raise ConfigurationError(f"Expected a column 'smiles' in {path}, got {', '.join(header) or 'an empty file'}.")
    index = header.index('smiles')
    for row in rows:
        if len(row) > index and row[index].strip():
            yield row[index].strip()


def _write(path: Path, raw: IO[bytes], molecules: Iterable[str]) -> int:
    if not path.name.lower().endswith('.gz'):
        return _write_lines(path, raw, molecules)
    # Neither name nor time in the header, so that the bytes depend on the molecules alone.
    with gzip.GzipFile(filename='', mode='wb', fileobj=raw, mtime=0) as packed:
        return _write_lines(path, cast(IO[bytes], packed), molecules)


def _write_lines(path: Path, binary: IO[bytes], molecules: Iterable[str]) -> int:
    text = io.TextIOWrapper(binary, encoding='utf-8', newline='\n', write_through=False)
    count = 0
    if _is_table(path):
        text.write('smiles\n')
    for count, smiles in enumerate(molecules, 1):  # noqa: B007 - the last number is the count
        text.write(f'{smiles}\n')
    text.flush()
    text.detach()
    return count
