"""What a process says on standard error, passed on and remembered for when it dies."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile

_KEPT = 4000
_LINES = 15
_SHOWN = 1200

_LONG_LISTS = ('Extension modules:',)
"""What ``faulthandler`` says at the end, at length, without helping anyone."""


class Output:
    """A file in memory that takes the output of a process until it is passed on to our own standard error.

    Unlike a pipe, it keeps nobody waiting and needs no thread.
    """

    def __init__(self) -> None:
        self.descriptor = _make_file()
        self._tail = b''

    def pass_on(self) -> None:
        """Pass on what was said since the last time."""
        size = os.fstat(self.descriptor).st_size
        if not size:
            return
        said = os.pread(self.descriptor, size, 0)
        os.ftruncate(self.descriptor, 0)
        self._tail = (self._tail + said)[-_KEPT:]
        sys.stderr.write(said.decode(errors='replace'))
        sys.stderr.flush()

    def forget(self) -> None:
        """Remember nothing of what was said so far."""
        self._tail = b''

    def tail(self) -> str:
        """The last lines said."""
        lines = self._tail.decode(errors='replace').splitlines()
        telling = [line for line in lines if line.strip() and not line.startswith(_LONG_LISTS)]
        return '\n'.join(telling[-_LINES:])[-_SHOWN:]

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)


def _make_file() -> int:
    if hasattr(os, 'memfd_create'):
        descriptor = os.memfd_create('scoutbee-worker')
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    # Writers go on at the end of what is there, which is the beginning once it was passed on.
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)
    return descriptor
