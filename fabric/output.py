"""What a process says on standard error, passed on and remembered for when it dies."""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import tempfile

_KEPT = 4000
_LINES = 15
_SHOWN = 1200

_LARGEST = 1 << 16
"""Bytes after which the file begins anew."""

_BEGUN = struct.Struct('<QQ')

_LONG_LISTS = ('Extension modules:',)
"""What ``faulthandler`` says at the end, at length, without helping anyone."""


class Output:
    """A file in memory that takes the output of a process, and another in which it notes each task that it begins.

    Unlike pipes, they keep nobody waiting, need no thread, and hold what was said last by a process that was killed.

    Attributes:
        descriptor: The file for its output.
        notes: The file for its notes; see ``Notes``.
        begun: How many tasks the process had begun when it was closed.
    """

    def __init__(self) -> None:
        self.descriptor = _make_file()
        # Writers go on at the end of what is there, which is the beginning once that was dropped.
        fcntl.fcntl(self.descriptor, fcntl.F_SETFL, fcntl.fcntl(self.descriptor, fcntl.F_GETFL) | os.O_APPEND)
        self.notes = _make_file()
        self.begun = 0
        self._passed_on = 0
        self._dropped = b''
        self._dropped_of = 0
        self._last = b''

    def pass_on(self) -> None:
        """Pass on to our own standard error what was said since the last time."""
        size = os.fstat(self.descriptor).st_size
        if size == self._passed_on:
            return
        said = os.pread(self.descriptor, size - self._passed_on, self._passed_on)
        self._passed_on = size
        sys.stderr.write(said.decode(errors='replace'))
        sys.stderr.flush()
        if size > _LARGEST:
            self._dropped_of, self._dropped = self._read()
            os.ftruncate(self.descriptor, 0)
            self._passed_on = 0

    def tail(self) -> str:
        """The last lines said since the latest task began, once it was closed."""
        lines = self._last.decode(errors='replace').splitlines()
        telling = [line for line in lines if line.strip() and not line.startswith(_LONG_LISTS)]
        return '\n'.join(telling[-_LINES:])[-_SHOWN:]

    def close(self) -> None:
        """Let go of the files, of a process that is dead; its last words are kept."""
        self.begun, self._last = self._read()
        os.close(self.descriptor)
        os.close(self.notes)

    def _read(self) -> tuple[int, bytes]:
        """How many tasks were begun, and the end of what was said since the latest."""
        begun, start = _read_notes(self.notes)
        size = os.fstat(self.descriptor).st_size
        is_same = begun == self._dropped_of
        if is_same or start > size:  # more than there is was noted in the moment in which the file began anew
            start = 0
        said = os.pread(self.descriptor, _KEPT, max(start, size - _KEPT))
        return begun, ((self._dropped if is_same else b'') + said)[-_KEPT:]


class Notes:
    """Where a process notes each task as it begins, so that whoever finds it dead knows which one it died under."""

    def __init__(self, descriptor: int) -> None:
        """Args: descriptor: The file for notes of an ``Output``, whose other file is our standard error."""
        os.set_inheritable(descriptor, False)
        self._file = descriptor
        self._output = os.dup(2)  # a task may have that point elsewhere
        self._count = 0

    def begin(self) -> None:
        """A task begins."""
        self._count += 1
        os.pwrite(self._file, _BEGUN.pack(self._count, os.fstat(self._output).st_size), 0)


def _read_notes(descriptor: int) -> tuple[int, int]:
    """How many tasks were begun, and how long the output was when the latest was."""
    begun, start = _BEGUN.unpack(os.pread(descriptor, _BEGUN.size, 0).ljust(_BEGUN.size, b'\0'))
    return begun, start


def _make_file() -> int:
    if hasattr(os, 'memfd_create'):
        return os.memfd_create('scoutbee-worker')
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
