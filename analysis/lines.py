"""Records of a ledger file in batches of plain rows, with the place of each in the file."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, islice
from operator import methodcaller
from pathlib import Path
from typing import Any, BinaryIO

from scoutbee.traces.encoding import decode
from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import other_version, problem, record_of
from scoutbee.traces.records import Record

BATCH = 64
"""Lines that are held as objects at once: few enough to stay in the processor's cache."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Rows of some lines.

    Attributes:
        rows: The fields of each record; what it holds in turn is as the record has it.
        offsets: Where the line of each begins in the file, in bytes.
    """

    rows: list[Row]
    offsets: list[int]

    @functools.cached_property
    def columns(self) -> Mapping[str, Sequence[Any]]:
        """The rows as one column a field."""
        return transposed(self.rows)


def transposed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Any]]:
    """Objects as one column for each name among them, with None where an object lacks it."""
    shapes: set[tuple[str, ...]] = set(map(tuple, rows))
    if len(shapes) == 1:  # nearly always: they come from one writer
        return dict(zip(shapes.pop(), zip(*map(methodcaller('values'), rows), strict=True), strict=False))
    names = dict.fromkeys(chain.from_iterable(shapes))
    return {name: [row.get(name) for row in rows] for name in names}


def batches(run_dir: Path, record_type: type[Record], skipped: list[str]) -> Iterator[Batch]:
    """The records of one kind, in the order they were written: the same as ``traces.reader.read`` finds.

    Args:
        run_dir: The run directory.
        record_type: Which kind.
        skipped: Lines that cannot be read are left out and described here, one sentence each. What follows the last
            newline is left out too: it is being written, or was when its writer died.

    Yields:
        The rows, never none.

    Raises:
        TraceError: If the file cannot be read, or a line of it was written by another version of Scoutbee.
    """
    path = run_dir / f'{record_type.stream}.jsonl'
    last = 0
    try:
        with path.open('rb') as file:
            for lines in _whole_lines(file):
                batch = _batch(path, lines, record_type, last, skipped)
                if batch.rows:
                    last = batch.rows[-1]['seq']
                    yield batch
    except FileNotFoundError:
        return
    except OSError as error:
        raise TraceError(f'Cannot read {path}: {error.strerror or error}.') from error


def read_line(run_dir: Path, record_type: type[Record], offset: int) -> Row:
    """The record whose line begins at an offset.

    Raises:
        TraceError: If it cannot be read, or is no such record.
    """
    path = run_dir / f'{record_type.stream}.jsonl'
    try:
        with path.open('rb') as file:
            file.seek(offset)
            line = file.readline()
        return vars(decode(line, record_type))
    except (OSError, ValueError) as error:
        raise TraceError(f'Expected a {record_type.__name__} at byte {offset} of {path}: {error}') from error


@dataclass(frozen=True)
class _Lines:
    """Some lines of a file: the number of the first, from 1, and where each begins, in bytes."""

    lines: list[bytes]
    number: int
    offsets: list[int]


def _whole_lines(file: BinaryIO) -> Iterator[_Lines]:
    number, offset = 1, 0
    while lines := list(islice(file, BATCH)):
        offsets = list(accumulate(map(len, lines), initial=offset))
        if not lines[-1].endswith(b'\n'):  # the end, even if the rest of that line has come by now
            yield _Lines(lines[:-1], number, offsets)
            return
        yield _Lines(lines, number, offsets)
        number, offset = number + len(lines), offsets[-1]


def _batch(path: Path, some: _Lines, record_type: type[Record], last: int, skipped: list[str]) -> Batch:
    batch = Batch([], [])
    for place, line in enumerate(some.lines):
        try:
            record = record_of(line, record_type, last)
        except ValueError as error:
            told = problem(path, some.number + place, line, record_type, error)
            if other_version(line) is not None:
                raise TraceError(told) from error
            skipped.append(told)
            continue
        last = record.seq
        batch.rows.append(vars(record))
        batch.offsets.append(some.offsets[place])
    return batch
