"""Whether a driver works on a run, from the signs of life it leaves."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

LOCK_FILE = '.lock'
"""Holds the driver's name while it works on the run, and is touched by it every few seconds; empty when it is done."""

SILENCE_SECONDS = 20.0
"""A driver that has not touched the file for so long is gone."""


class DriverSign:
    """Watches for the signs of life of a run's driver, on this host or another one."""

    def __init__(
        self,
        run_dir: Path,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at nothing yet.

        Args:
            run_dir: The run directory.
            wall: The time, in seconds since the epoch.
            steady: A clock that is never set, in seconds.
        """
        self._path = run_dir / LOCK_FILE
        self._wall = wall
        self._steady = steady
        self._last: tuple[float, float] | None = None

    def is_there(self) -> bool:
        """Whether a driver has shown itself of late.

        The clock of a file server may be wrong, so a touch that is seen to happen counts from when it was seen.
        """
        try:
            status = self._path.stat()
        except OSError:
            return False
        now = self._steady()
        if self._last is None:
            age = max(0.0, self._wall() - status.st_mtime)
            self._last = (status.st_mtime, now - age)
        elif status.st_mtime != self._last[0]:
            self._last = (status.st_mtime, now)
        return status.st_size > 0 and now - self._last[1] < SILENCE_SECONDS
