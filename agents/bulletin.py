"""What lets agents wait for each other, and end together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """How a campaign ended: a status of ``summary.json`` and the reason in one line."""

    status: str
    reason: str


@dataclass(frozen=True, eq=False, slots=True)
class _Waiter:
    """An agent that waits, and for what."""

    is_ready: Callable[[], bool]
    condition: threading.Condition


class Bulletin:
    """One lock, and the end of the campaign. Every wait ends with the campaign.

    Whoever changes something looks for whom that changes anything, and wakes only these: several changes come with
    every result, and waking three threads to have each find out that it is not concerned costs more than the result.

    All waits count on the monotonic clock, so that a clock that is set changes nothing.
    """

    def __init__(self, done: threading.Event) -> None:
        """Args: done: Colmena's event that ends the Thinker."""
        self.done = done
        self.lock = threading.RLock()
        self.outcome: Outcome | None = None
        self.started = time.monotonic()
        self._waiting: list[_Waiter] = []
        self._drain_until = float('inf')

    def wait(self, ready: Callable[[], bool], timeout: float = 1.0) -> bool:
        """Wait until something holds, the campaign ends or the time is up; returns whether it holds.

        Args:
            ready: Whether it holds; looked at with the lock held, by any agent.
            timeout: Longest wait in seconds.
        """
        with self.lock:
            waiter = _Waiter(lambda: self.done.is_set() or ready(), threading.Condition(self.lock))
            self._waiting.append(waiter)
            try:
                waiter.condition.wait_for(waiter.is_ready, timeout)
            finally:
                self._waiting.remove(waiter)
            return ready()

    def notify(self) -> None:
        """Wake every agent that waits for what holds now."""
        with self.lock:
            for waiter in self._waiting:
                if waiter.is_ready():
                    waiter.condition.notify()

    def end(self, status: str, reason: str, *, grace: float = 0.0) -> bool:
        """End the campaign; the first call says why. Returns whether this was it."""
        with self.lock:
            if self.outcome is not None:
                return False
            self.outcome = Outcome(status, reason)
            self._drain_until = time.monotonic() + grace
            self.done.set()
            self.notify()
            return True

    def stop_draining(self) -> None:
        """Wait for nothing more that is in flight."""
        with self.lock:
            self._drain_until = 0.0

    @property
    def is_drained(self) -> bool:
        """Whether the campaign has ended and nothing more is waited for."""
        with self.lock:
            return self.done.is_set() and (not self.is_awaiting or time.monotonic() >= self._drain_until)

    @property
    def is_awaiting(self) -> bool:
        """Whether anything is out that is worth waiting for."""
        return False
