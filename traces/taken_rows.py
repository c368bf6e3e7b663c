"""Which rows of the search space were taken, and in what order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class TakenRows:
    """Row numbers in the order they were taken; a view costs nothing, and never changes."""

    def __init__(self) -> None:
        self._values = np.empty(64, dtype=np.int64)
        self._used = 0
        self._removed: set[int] = set()

    def append(self, row: int) -> None:
        """A row is taken."""
        if row in self._removed:
            self._forget_removed()
        if self._used == len(self._values):
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._values[self._used] = row
        self._used += 1

    def remove(self, row: int) -> None:
        """A row is free again."""
        self._removed.add(row)

    def view(self) -> NDArray[np.int64]:
        """All of them; shape (taken,)."""
        self._forget_removed()
        return self._values[: self._used]

    def _forget_removed(self) -> None:
        """Close the gaps, in a copy that older views do not see: once for all the rows that a ranking has freed."""
        if not self._removed:
            return
        taken = self._values[: self._used]
        kept = taken[~np.isin(taken, list(self._removed))]
        self._values = np.concatenate([kept, np.empty(64, dtype=np.int64)])
        self._used = len(kept)
        self._removed.clear()
