"""Reads back what a run wrote down, finished, running or crashed."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from .encoding import decode
from .errors import TraceError
from .records import READABLE_VERSIONS, RECORDS, Record

R = TypeVar('R', bound=Record)


def read(run_dir: Path, record_type: type[R], *, skipped: list[str] | None = None) -> Iterator[R]:
    """Records of one kind, in the order they were written.

    A line counts once its newline is there: the half line at the end of a file that is being written, or was when its
    writer died, is left out. A file that does not exist yet holds no records. A line whose ``seq`` does not rise (one
    that was copied, say) is not a record: it would count something twice.

    Args:
        run_dir: The run directory.
        record_type: Which kind.
        skipped: Where given, lines that cannot be read are left out and described here, one sentence each.

    Yields:
        The records.

    Raises:
        TraceError: If there is no such directory, if the file cannot be read or belongs to another version of Scoutbee,
            or, without ``skipped``, at the first line that is not such a record.
    """
    path = _file(run_dir, record_type)
    try:
        with path.open('rb') as file:
            last = 0
            for number, line in enumerate(file, start=1):
                if not line.endswith(b'\n'):
                    return
                try:
                    record = record_of(line, record_type, last)
                except ValueError as error:
                    told = problem(path, number, line, record_type, error)
                    if skipped is None:
                        raise TraceError(told) from error
                    skipped.append(told)
                    continue
                last = record.seq
                yield record
    except FileNotFoundError:
        return
    except OSError as error:
        raise TraceError(f'Cannot read {path}: {error.strerror or error}.') from error


def read_all(
    run_dir: Path, *, kinds: Sequence[type[Record]] = RECORDS, skipped: list[str] | None = None
) -> Iterator[Record]:
    """Records of several kinds, merged into the one order in which they were written.

    Args:
        run_dir: The run directory.
        kinds: Which kinds; all by default.
        skipped: As for :func:`read`.

    Yields:
        The records, by rising ``seq``.

    Raises:
        TraceError: As :func:`read`.
    """
    streams = [read(run_dir, kind, skipped=skipped) for kind in kinds]
    yield from heapq.merge(*streams, key=lambda record: record.seq)


def record_of(line: bytes, record_type: type[R], last: int) -> R:
    """The record on a line.

    Args:
        line: The line.
        record_type: What it should be.
        last: ``seq`` of the record before it in its file; 0 for the first.

    Raises:
        ValueError: If it is no such record, or does not come after that one; :func:`problem` tells it in a sentence.
    """
    record = decode(line, record_type)
    check_order(record.seq, last)
    return record


def check_order(seq: int, last: int) -> None:
    """See that a record comes after the one before it in its file.

    Raises:
        ValueError: If it does not.
    """
    if seq <= last:
        raise ValueError(
            f'its seq is {seq}, and one above {last}, that of the record before it, was expected; if the line '
            'is a copy, remove it'
        )


def _file(run_dir: Path, record_type: type[Record]) -> Path:
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise TraceError(f'{run_dir} is not a run directory: it is {"a file" if run_dir.exists() else "not there"}.')
    return run_dir / f'{record_type.stream}.jsonl'


def problem(path: Path, number: int, line: bytes, record_type: type[Record], error: Exception) -> str:
    """Why a line cannot be read, as a sentence.

    Args:
        path: File it stands in.
        number: Number of the line, from 1.
        line: The line.
        record_type: What it should be.
        error: What came of reading it.
    """
    where = f'{path}, line {number}'
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return f'{where}: expected a {record_type.__name__} as one JSON object, found {_shown(line)}.'
    version = other_version(line)
    if version is not None:
        return (
            f'{where}: written with schema version {version!r:.60}, but this Scoutbee reads versions '
            f'{" and ".join(map(str, READABLE_VERSIONS))}. '
            'Read the run with the Scoutbee that wrote it (see provenance.json).'
        )
    return f'{where}: not a {record_type.__name__}: {_first(error)}.'


def other_version(line: bytes) -> object | None:
    """The schema version of a line, where it is none of those read here; None otherwise."""
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    version: object | None = data.get('schema_version') if isinstance(data, dict) else None
    return None if version in READABLE_VERSIONS else version


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False)[0]
    name = '.'.join(str(step)[:60] for step in first['loc']) or 'the line'
    return f'{name}: {first["msg"]}, found {_shown(repr(first["input"]).encode())}'


def _shown(text: bytes, limit: int = 60) -> str:
    shown = text.strip().decode('utf-8', 'backslashreplace')
    return repr(shown if len(shown) <= limit else shown[:limit] + '…')
