"""Time that passes when it is told to."""

from __future__ import annotations


class Clock:
    """Stands in for the module ``time``.

    Attributes:
        now: What it shows, in seconds; to be set.
    """

    def __init__(self, now: float = 1000.0) -> None:
        """Args: now: What it shows at first."""
        self.now = now

    def monotonic(self) -> float:
        """What it shows."""
        return self.now

    def time(self) -> float:
        """What it shows."""
        return self.now
