"""Writes the ledger of a run: records go to disk before anyone acts on them."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

from .encoding import encode
from .errors import TraceError
from .ledger_file import LedgerFile
from .records import RECORDS, EventRecord, Record

logger = logging.getLogger(__name__)

R = TypeVar('R', bound=Record)
Level = Literal['info', 'warning', 'error']
Listener = Callable[[EventRecord], object]


class TraceWriter:
    """Appends records to the files of one run directory. Any thread may write.

    A record is handed to the operating system before :meth:`write` returns, so it outlives this process; with
    ``sync`` it is on the disk, and outlives the machine. Opening a directory that holds a ledger continues it.

    Args:
        run_dir: The run directory; made where it does not exist.
        sync: Wait for the disk at every record.
        listener: Called with each event after it is written, in the thread that wrote it. What it raises is logged.

    Raises:
        TraceError: If the directory cannot be written, or holds a ledger whose end cannot be understood.
    """

    def __init__(self, run_dir: Path, *, sync: bool = False, listener: Listener | None = None) -> None:
        self.run_dir = Path(run_dir)
        self.listener = listener
        self._sync = sync
        self._lock = threading.Lock()
        self._files: dict[str, LedgerFile] = {}
        self._closed = False
        self._open_ledger()

    @property
    def last_seq(self) -> int:
        """Sequence number of the newest record in the directory; 0 where there is none."""
        return self._seq

    def write(self, record: R) -> R:
        """Append one record to the file of its stream and give it its place in the ledger.

        Args:
            record: The record; its ``seq`` is set, one higher than that of any record before it.

        Returns:
            The same record.

        Raises:
            TraceError: If it could not be written whole (disk full, say); then nothing of it counts as written.
        """
        self.write_all([record])
        return record

    def write_all(self, records: Sequence[Record]) -> None:
        """Append several records of one stream, in one go.

        Args:
            records: They are given consecutive places in the ledger.

        Raises:
            TraceError: If they could not be written whole; then nothing of any of them counts as written.
        """
        with self._lock:
            self._append(records)
        if self.listener is not None:
            for record in records:
                if isinstance(record, EventRecord):
                    self._tell(record)

    def event(self, agent: str, event: str, message: str, level: Level = 'info', **facts: Any) -> None:
        """Write down something an agent decided or noticed.

        Args:
            agent: Who.
            event: What, as one word that programs look for.
            message: What, as a sentence that people read.
            level: How bad it is.
            **facts: The numbers behind it.

        Raises:
            TraceError: As :meth:`write`.
        """
        self.write(EventRecord(agent=agent, event=event, message=message, level=level, facts=facts))

    def close(self) -> None:
        """Put everything on the disk and close the files; closing twice is harmless.

        Raises:
            TraceError: If the disk did not take everything; every file is closed all the same.
        """
        with self._lock:
            self._closed = True
            failed: OSError | None = None
            while self._files:
                stream, file = self._files.popitem()
                try:
                    file.close()
                except OSError as error:
                    failed = error
                    logger.error('%s.jsonl in %s may be incomplete: %s', stream, self.run_dir, error)
        if failed is not None:
            raise TraceError(f'Cannot put the trace in {self.run_dir} on the disk: {_cause(failed)}') from failed

    def __enter__(self) -> TraceWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _open_ledger(self) -> None:
        try:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            for record_type in RECORDS:
                path = self.run_dir / f'{record_type.stream}.jsonl'
                if path.exists():
                    self._files[record_type.stream] = LedgerFile(path)
        except OSError as error:
            raise TraceError(f'Cannot write the trace in {self.run_dir}: {_cause(error)}') from error
        self._seq = max((file.last_seq for file in self._files.values()), default=0)

    def _append(self, records: Sequence[Record]) -> None:
        if self._closed:
            raise TraceError(f'Cannot write to {self.run_dir}: this trace was closed. Close it after the last agent.')
        (stream,) = {record.stream for record in records}
        for record in records:
            self._seq += 1  # Even if the write fails: a gap is harmless, a number given twice is not.
            record.seq = self._seq
        try:
            file = self._files.get(stream)
            if file is None:
                file = self._files[stream] = LedgerFile(self.run_dir / f'{stream}.jsonl')
            file.append(b''.join(map(encode, records)), sync=self._sync)
        except OSError as error:
            path = self.run_dir / f'{stream}.jsonl'
            raise TraceError(
                f'Cannot write a record to {path}: {_cause(error)} The records before it are whole.'
            ) from error

    def _tell(self, record: EventRecord) -> None:
        listener = self.listener
        try:
            if listener is not None:
                listener(record)
        except Exception:
            logger.exception('A listener failed on the event %s; the campaign goes on.', record.event)


def _cause(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return 'the disk is full. Free some space, then go on with --resume.'
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f'{reason}. Check that the directory exists and can be written, then go on with --resume.'
