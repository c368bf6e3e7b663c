"""Plays a run back at a pace of one's own."""

from __future__ import annotations

import time
from collections.abc import Callable

from scoutbee.traces.replay_events import RESUMED

from .glimpses import Event, Glimpse


class Pacer:
    """Says when a record is due, if the run went so many times faster and began now."""

    def __init__(self, speed: float, steady: Callable[[], float] = time.monotonic) -> None:
        """Begin to play.

        Args:
            speed: How many times faster than it went.
            steady: A clock that is never set, in seconds.
        """
        self._speed = speed
        self._steady = steady
        self._began = steady()
        self._origin: float | None = None

    def is_due(self, record: Glimpse) -> bool:
        """Whether it is time for a record. Nobody has to sit through the time between a crash and a resumption."""
        if self._origin is None or (isinstance(record, Event) and record.event == RESUMED):
            self._origin = record.time - self._played
        return record.time <= self._origin + self._played

    def moment(self) -> float | None:
        """The moment that is being played, in seconds since the epoch; None before the first record."""
        return None if self._origin is None else self._origin + self._played

    @property
    def _played(self) -> float:
        return (self._steady() - self._began) * self._speed
