"""One append-only file of the ledger."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from pathlib import Path

from .errors import TraceError

logger = logging.getLogger(__name__)

_BLOCK = 1 << 16


class LedgerFile:
    """A file of lines that only grows, and never keeps part of a line that could not be written whole.

    A line counts once its newline is there. What a crash left after the last newline is put aside in ``*.torn`` when
    the file is opened again.

    Args:
        path: The file; made where it does not exist.

    Raises:
        TraceError: If the last whole line is not a record.
        OSError: If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._torn = False
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            self._size = _repair(self._fd, path)
            self.last_seq = _last_seq(self._fd, self._size, path)
        except BaseException:
            os.close(self._fd)
            raise

    def append(self, lines: bytes, *, sync: bool) -> None:
        """Hand whole lines to the operating system, and with ``sync`` to the disk.

        Raises:
            OSError: If that failed; what was written of the lines is taken back, now or before the next ones.
        """
        if self._torn:
            os.ftruncate(self._fd, self._size)
        self._torn = True
        try:
            rest = memoryview(lines)
            while rest:
                rest = rest[os.write(self._fd, rest) :]
            if sync:
                _to_disk(self._fd)
        except BaseException:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
                self._torn = False
            raise
        self._size += len(lines)
        self._torn = False

    def close(self) -> None:
        """Put the file on the disk and close it."""
        try:
            os.fsync(self._fd)
        finally:
            os.close(self._fd)


def _to_disk(fd: int) -> None:
    # macOS has no fdatasync.
    getattr(os, 'fdatasync', os.fsync)(fd)


def _repair(fd: int, path: Path) -> int:
    """Put aside what follows the last newline, and return the size of what remains."""
    size = os.fstat(fd).st_size
    start = _line_start(fd, size)
    if start == size:
        return size
    torn = path.with_suffix('.torn')
    with torn.open('ab') as file:
        file.write(os.pread(fd, size - start, start) + b'\n')
    os.ftruncate(fd, start)
    logger.warning('%s ended in a half-written line (%d bytes), put aside in %s.', path, size - start, torn.name)
    return start


def _line_start(fd: int, end: int) -> int:
    """Offset just after the last newline before ``end``."""
    while end > 0:
        start = max(0, end - _BLOCK)
        at = os.pread(fd, end - start, start).rfind(b'\n')
        if at >= 0:
            return start + at + 1
        end = start
    return 0


def _last_seq(fd: int, size: int, path: Path) -> int:
    if size == 0:
        return 0
    start = _line_start(fd, size - 1)
    try:
        return _seq(json.loads(os.pread(fd, size - start, start)))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TraceError(
            f'The last line of {path} is not a record with a sequence number, so this ledger cannot be continued. '
            'Remove that line if you know why it is there, or start a new run.'
        ) from error


def _seq(record: dict[str, object]) -> int:
    seq = record['seq']
    if type(seq) is not int or seq < 0:
        raise ValueError(f'seq is {seq!r}')
    return seq
