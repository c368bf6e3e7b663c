"""Busy workers over time, in a bounded number of bins."""

from __future__ import annotations

BINS = 480
"""Most bins that are kept; when there are more, each two become one."""

FIRST_WIDTH = 0.5
"""Seconds of a bin, at first."""


class BusyBins:
    """Busy seconds of each kind of task, by bins of campaign time."""

    def __init__(self) -> None:
        """Nothing has run yet."""
        self.width = FIRST_WIDTH
        """Seconds of a bin."""
        self._seconds: dict[str, list[float]] = {}

    def add(self, kind: str, start: float, end: float) -> None:
        """A worker was busy.

        Args:
            kind: With what kind of task.
            start: From when, campaign seconds.
            end: Until when.
        """
        self._reach(end)
        _spread(self._seconds.setdefault(kind, [0.0] * BINS), self.width, start, end)

    def busy(self, until: float, running: dict[str, list[float]]) -> dict[str, list[float]]:
        """Mean number of busy workers in each bin, by kind.

        Args:
            until: The bins reach to here, campaign seconds.
            running: Since when tasks that are not back have been running, as far as is known, by kind.
        """
        self._reach(until)
        seconds = {kind: list(bins) for kind, bins in self._seconds.items()}
        for kind, starts in running.items():
            bins = seconds.setdefault(kind, [0.0] * BINS)
            for start in starts:
                _spread(bins, self.width, start, until)
        count = int(until / self.width) + 1
        last = max(until - (count - 1) * self.width, 1e-3)
        lengths = [self.width] * (count - 1) + [last]
        return {
            kind: [round(busy / length, 3) for busy, length in zip(bins, lengths, strict=False)]
            for kind, bins in seconds.items()
        }

    def _reach(self, end: float) -> None:
        while end >= self.width * BINS:
            self.width *= 2
            for bins in self._seconds.values():
                bins[:] = [a + b for a, b in zip(bins[::2], bins[1::2], strict=True)] + [0.0] * (BINS // 2)


def _spread(bins: list[float], width: float, start: float, end: float) -> None:
    first, last = int(start / width), int(end / width)
    if first >= last:
        bins[first] += max(0.0, end - start)
        return
    bins[first] += (first + 1) * width - start
    for index in range(first + 1, last):
        bins[index] += width
    bins[last] += end - last * width
