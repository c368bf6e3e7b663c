"""The end of the time allowed, and what can still be done before it."""

from __future__ import annotations

import math
import time
from bisect import bisect_left, insort
from collections import deque

_KEPT = 1000
_MANY = 20
_HIGH = 0.95
_CAUTION = 1.5
_RESERVE_SHARE, _LONGEST_RESERVE = 0.05, 30.0
_SECONDS_AN_HOUR = 3600


class RunTimes:
    """How long things of one kind took: the last thousand, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._ordered: list[float] = []

    def __len__(self) -> int:
        return len(self._recent)

    def add(self, seconds: float) -> None:
        """One took that long."""
        if len(self) == _KEPT:
            del self._ordered[bisect_left(self._ordered, self._recent.popleft())]
        self._recent.append(seconds)
        insort(self._ordered, seconds)

    def median(self) -> float | None:
        """The median; None where nothing is known."""
        return self._at(0.5)

    def upper(self) -> float | None:
        """What the next one will hardly exceed; None where nothing is known.

        That is the 95th percentile of twenty and more, and half as much again as the longest of fewer.
        """
        if len(self) < _MANY:
            return _CAUTION * self._ordered[-1] if self._ordered else None
        return self._at(_HIGH)

    def _at(self, share: float) -> float | None:
        return self._ordered[math.ceil(share * len(self)) - 1] if self._ordered else None


class Horizon:
    """The time this process has. It counts on the monotonic clock, so that a clock that is set changes nothing.

    Before the end a reserve is kept for writing everything: a twentieth of the time, half a minute at most.
    """

    def __init__(self, hours: float | None) -> None:
        """Args: hours: The time allowed from this moment on; None for no limit."""
        self.hours = hours
        self.reserve = 0.0
        self._end = math.inf
        if hours is not None:
            seconds = _SECONDS_AN_HOUR * hours
            self.reserve = min(_LONGEST_RESERVE, _RESERVE_SHARE * seconds)
            self._end = time.monotonic() + seconds - self.reserve

    def left(self) -> float:
        """Seconds until everything has to be written; infinite without a limit."""
        return max(0.0, self._end - time.monotonic())

    @property
    def is_reached(self) -> bool:
        """Whether the time is over."""
        return self.left() == 0.0

    def allows(self, run_times: RunTimes) -> bool:
        """Whether something begun now can be expected to end in time; it can, where nothing is known."""
        left = self.left()
        return left == math.inf or (left > 0.0 and (run_times.upper() or 0.0) <= left)
