"""Reads the ledger of a run while it grows: each line once, in the one order in which all were written."""

from __future__ import annotations

import heapq
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from scoutbee.traces.errors import TraceError
from scoutbee.traces.reader import check_order, other_version, problem

from .glimpses import GLIMPSES, Glimpse

BLOCK = 1 << 20
"""Bytes that are read of a file at once, and about the most that are kept in memory of it."""


class ReplacedError(Exception):
    """A file that was being read is shorter than what was read of it: the run was begun anew, or is gone."""


class FileTail:
    """One file of the ledger, read as far as its last newline.

    What follows the last newline is read again the next time. It may be gone by then: a driver that resumes a run
    takes away the half line that a crash left.
    """

    def __init__(self, path: Path, kind: type[Glimpse]) -> None:
        """Read nothing yet.

        Args:
            path: The file, which need not exist yet.
            kind: What its lines are read as.
        """
        self.path = path
        self.offset = 0
        """Bytes read, in whole lines."""
        self.size = 0
        """Bytes there were at the last look."""
        self.at_end = True
        """Whether everything there was has been read."""
        self._kind = kind
        self._lines = 0
        self._last = 0
        self._identity: tuple[int, int] | None = None

    def read(self, problems: list[str]) -> list[Glimpse]:
        """The next lines, of about a block at most.

        Args:
            problems: Where lines that cannot be read are described.

        Raises:
            ReplacedError: If the file is not the one that was read before.
            TraceError: If it cannot be read, or was written by another version of Scoutbee.
        """
        try:
            with self.path.open('rb', buffering=0) as file:
                block = self._next_block(file.fileno())
        except FileNotFoundError:
            if self._identity is not None:
                raise ReplacedError(f'{self.path} is gone.') from None
            return []
        except OSError as error:
            raise TraceError(f'Cannot read {self.path}: {error.strerror or error}.') from error
        return list(self._parse(block, problems))

    def _next_block(self, fd: int) -> bytes:
        status = os.fstat(fd)
        identity = (status.st_dev, status.st_ino)
        if self._identity not in (None, identity) or status.st_size < self.offset:
            raise ReplacedError(f'{self.path} is not the file it was.')
        self._identity = identity
        self.size = status.st_size
        wanted = BLOCK
        while True:
            block = os.pread(fd, wanted, self.offset)
            end = block.rfind(b'\n') + 1
            self.at_end = len(block) < wanted
            if end or self.at_end:
                self.offset += end
                return block[:end]
            wanted *= 2  # a line longer than the block

    def _parse(self, block: bytes, problems: list[str]) -> Iterator[Glimpse]:
        for line in block.split(b'\n')[:-1]:
            self._lines += 1
            try:
                record = self._kind.model_validate_json(line)
                check_order(record.seq, self._last)
            except ValueError as error:
                told = problem(self.path, self._lines, line, self._kind.record, error)
                if other_version(line) is not None:
                    raise TraceError(told) from error
                problems.append(told)
                continue
            self._last = record.seq
            yield record


class LedgerTail:
    """All files of a run's ledger as one stream of records by rising ``seq``.

    A record is written before the next one gets its number. So once every file has been read to its end, no record is
    missing below the highest number that had been seen before that reading began, even where numbers are left out.
    """

    def __init__(self, run_dir: Path, kinds: Sequence[type[Glimpse]] = GLIMPSES) -> None:
        """Read nothing yet.

        Args:
            run_dir: The run directory; neither it nor its files need exist yet.
            kinds: What is read.
        """
        self.problems: list[str] = []
        """Lines that could not be read, one sentence each; whoever shows them may clear them."""
        self._files = [FileTail(run_dir / f'{kind.record.stream}.jsonl', kind) for kind in kinds]
        self._last_seen = [0] * len(self._files)
        self._waiting: list[tuple[int, int, Glimpse]] = []
        self._order = itertools.count()
        self._passed_on = 0

    @property
    def share_read(self) -> float:
        """How much of what there is has been read, 0 to 1."""
        size = sum(file.size for file in self._files)
        return sum(file.offset for file in self._files) / size if size else 1.0

    @property
    def is_behind(self) -> bool:
        """Whether there was more than could be read at once."""
        return not all(file.at_end for file in self._files)

    def read(self) -> list[Glimpse]:
        """The next records, in order.

        Raises:
            ReplacedError: If the run was begun anew, or is gone.
            TraceError: If a file cannot be read, or was written by another version of Scoutbee.
        """
        before = max(self._last_seen)
        for index, file in enumerate(self._files):
            if file.at_end or not self._is_ahead(index):
                self._take(index, file.read(self.problems))
        behind = [seen for file, seen in zip(self._files, self._last_seen, strict=True) if not file.at_end]
        return list(self._release(min([before, *behind])))

    def _is_ahead(self, index: int) -> bool:
        """Whether reading on would only pile up records that wait for those of a file that is further behind."""
        slowest = min(seen for file, seen in zip(self._files, self._last_seen, strict=True) if not file.at_end)
        return self._last_seen[index] > slowest

    def _take(self, index: int, records: list[Glimpse]) -> None:
        for record in records:
            heapq.heappush(self._waiting, (record.seq, next(self._order), record))
            self._last_seen[index] = max(self._last_seen[index], record.seq)

    def _release(self, complete: int) -> Iterator[Glimpse]:
        while self._waiting and self._waiting[0][0] <= max(complete, self._passed_on + 1):
            seq, _, record = heapq.heappop(self._waiting)
            self._passed_on = max(self._passed_on, seq)
            yield record
