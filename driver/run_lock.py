"""Who may write a run directory: one driver at a time, on whichever host it runs."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import TextIO

from scoutbee.contracts.errors import ConfigurationError

LOCK_FILE = '.lock'

BEAT_SECONDS = 5.0
"""How often a driver shows on its lock file that it lives."""

SILENCE_SECONDS = 20.0
"""A driver on another host that has not shown itself for so long is gone."""

_held: set[Path] = set()
# Locks of POSIX belong to a process, which is granted its own a second time; this is what refuses it.

_TAKEN = (errno.EACCES, errno.EAGAIN)


class RunLock:
    """The right to write a run directory.

    The kernel keeps it, and ends it with the process. File systems that several hosts share may keep such a lock for
    each host by itself, or not at all, so its holder also writes down who it is, and shows every few seconds that it
    lives. A driver that finds the name of another host watches that for a while before it goes by the kernel's word.
    """

    def __init__(self, directory: Path, say: Callable[[str], None], silence_seconds: float = SILENCE_SECONDS) -> None:
        """Take it.

        Args:
            directory: The run directory.
            say: Told, in a sentence, what takes long.
            silence_seconds: After how long without a sign the driver of another host is gone.

        Raises:
            ConfigurationError: If another driver has it.
            OSError: If the lock file cannot be written.
        """
        self._directory = directory
        self._path = directory / LOCK_FILE
        self._is_kept = True
        self._file = self._acquire()
        try:
            self._await_silence(say, silence_seconds)
            self._sign()
        except BaseException:
            self._file.close()
            raise
        _held.add(directory)
        self._released = threading.Event()
        threading.Thread(target=self._beat, name='run-lock', daemon=True).start()

    def release(self) -> None:
        """Give it back; harmless twice."""
        if self._released.is_set():
            return
        self._released.set()
        _held.discard(self._directory)
        with suppress(OSError):
            self._file.truncate(0)
        self._file.close()

    def _acquire(self) -> TextIO:
        if self._directory in _held:
            raise ConfigurationError(f'{self._directory}: this process, {os.getpid()}, drives it already.')
        file = self._path.open('a+', encoding='utf-8')
        try:
            # Not flock: children that were forked would hold it after this process is gone.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _TAKEN:
                self._is_kept = False  # by this file system, that is: signs of life must do
                return file
            holder = _holder(file) or 'a process that has not said who it is'
            file.close()
            raise self._refusal(holder) from None
        return file

    def _await_silence(self, say: Callable[[str], None], silence_seconds: float) -> None:
        """Where the last holder did not sign off, and the lock says nothing about it, see that it is gone."""
        holder = _holder(self._file)
        if not holder or (self._is_kept and f' on {platform.node()},' in holder):
            return
        seen = self._path.stat().st_mtime_ns
        say(f'The last driver, {holder}, did not sign off; waiting {silence_seconds:g} s for a sign of it.')
        deadline = time.monotonic() + silence_seconds
        while time.monotonic() < deadline:
            time.sleep(min(0.5, silence_seconds))
            if self._path.stat().st_mtime_ns != seen:
                raise self._refusal(holder)

    def _sign(self) -> None:
        self._file.truncate(0)
        since = datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M:%S UTC')
        self._file.write(f'process {os.getpid()} on {platform.node()}, since {since}')
        self._file.flush()

    def _beat(self) -> None:
        while not self._released.wait(BEAT_SECONDS):
            with suppress(OSError):
                os.utime(self._path)

    def _refusal(self, holder: str) -> ConfigurationError:
        return ConfigurationError(
            f'{self._directory}: another driver works on it: {holder}. Wait until it is done, or end it.'
        )


def _holder(file: TextIO) -> str:
    file.seek(0)
    return file.read(1000).strip()
