"""Counts of candidates, and the rows of the search space that they took."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Counts:
    """Candidates by what became of them, resumptions included."""

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    quarantined: int = 0
    resubmitted: int = 0
    found: int = 0


class TakenRows:
    """Row numbers in the order they were taken; a view costs nothing, and never changes."""

    def __init__(self) -> None:
        self._values = np.empty(64, dtype=np.int64)
        self._used = 0

    def append(self, row: int) -> None:
        """A row is taken."""
        if self._used == len(self._values):
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._values[self._used] = row
        self._used += 1

    def remove(self, row: int) -> None:
        """A row is free again."""
        kept = self.view()[self.view() != row]
        self._values = np.concatenate([kept, np.empty(64, dtype=np.int64)])
        self._used = len(kept)

    def view(self) -> NDArray[np.int64]:
        """All of them; shape (taken,)."""
        return self._values[: self._used]
