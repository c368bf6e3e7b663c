"""Series that stay small however long they grow."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar('T')


class Sampled(Generic[T]):
    """An even selection of a long series.

    When more than ``limit`` rows are kept, every other one is dropped and the distance between those to come doubles.
    What is kept depends on what was offered alone, not on when anyone looked.
    """

    def __init__(self, limit: int, distance: float) -> None:
        """Keep nothing yet.

        Args:
            limit: Most rows that are kept.
            distance: Least distance from one row to the next, at first.
        """
        self.rows: list[tuple[float, T]] = []
        """What is kept, as positions and rows."""
        self._limit = limit
        self._distance = distance

    def is_due(self, position: float) -> bool:
        """Whether a row at this position would be kept."""
        return not self.rows or position >= self.rows[-1][0] + self._distance

    def add(self, position: float, row: T) -> None:
        """Keep a row that is due.

        Args:
            position: Where it stands; not before those that were added.
            row: The row.
        """
        self.rows.append((position, row))
        if len(self.rows) > self._limit:
            del self.rows[1::2]
            self._distance *= 2
