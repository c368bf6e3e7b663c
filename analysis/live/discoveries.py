"""What was found: the best candidates as they came, and a selection of all observations."""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass

from scoutbee.contracts.candidates import Objective

from .glimpses import Simulated
from .sampled import Sampled

TOP = 12
"""How many of the best are shown."""

MOST_ENTRANTS = 1500
"""Candidates that were once among the best, of which at most so many are kept."""

MOST_DOTS = 1200
"""Observations that are shown as dots; of more, an even selection."""


@dataclass(frozen=True)
class Entry:
    """One observation.

    Attributes:
        at: When it came, campaign seconds.
        number: How many had come, it included.
        key: Key of the candidate.
        value: Its value, in the objective's unit.
        mean: What the models predicted when they chose it, if they did.
        std: Standard deviation of that prediction, if there was one.
        generation: Newest generation among these models.
        ranking: Ranking that chose it; 0 for those the campaign started with.
        is_best: Whether it was the best until then.
    """

    at: float
    number: int
    key: str
    value: float
    mean: float | None
    std: float | None
    generation: int | None
    ranking: int
    is_best: bool


class Discoveries:
    """The best candidates over time, and dots for a chart."""

    def __init__(self, objective: Objective) -> None:
        """Nothing is observed yet.

        Args:
            objective: What is looked for.
        """
        self.entrants: list[Entry] = []
        """Observations that were among the best when they came, in that order."""
        self.dots: Sampled[Entry] = Sampled(MOST_DOTS, 1.0)
        """An even selection of all observations, by number."""
        self._sign = objective.sign
        self._scores: list[float] = []
        self._count = 0

    def top(self, count: int) -> list[Entry]:
        """The best observations, best first; of equal ones the earlier first.

        Args:
            count: How many, at most.
        """
        return sorted(self.entrants, key=lambda entry: -self._sign * entry.value)[:count]

    def take(self, record: Simulated, at: float) -> Entry | None:
        """A simulation came back.

        Args:
            record: It.
            at: When, campaign seconds.

        Returns:
            Its entry, if it is the best so far.
        """
        if record.outcome != 'observed':
            return None
        self._count += 1
        if record.value is None or not math.isfinite(record.value):
            return None
        score = self._sign * record.value
        enters = len(self._scores) < TOP or score > self._scores[0]
        due = self.dots.is_due(self._count)
        if not enters and not due:
            return None
        entry = self._entry(record, at, is_best=not self._scores or score > self._scores[-1])
        if due:
            self.dots.add(self._count, entry)
        if enters:
            self._enter(entry, score)
        return entry if entry.is_best else None

    def _entry(self, record: Simulated, at: float, *, is_best: bool) -> Entry:
        choice = record.choice
        assert record.value is not None
        return Entry(
            at=at,
            number=self._count,
            key=record.key,
            value=record.value,
            mean=choice.get('mean'),
            std=choice.get('std'),
            generation=choice.get('generation'),
            ranking=int(choice.get('ranking') or 0),
            is_best=is_best,
        )

    def _enter(self, entry: Entry, score: float) -> None:
        bisect.insort(self._scores, score)
        del self._scores[:-TOP]
        self.entrants.append(entry)
        if len(self.entrants) > MOST_ENTRANTS:
            self._thin()

    def _thin(self) -> None:
        """Drop every other of those that are not among the best any more."""
        passed = [entry for entry in self.entrants if self._sign * entry.value < self._scores[0]]
        dropped = {entry.number for entry in passed[::2]}
        self.entrants = [entry for entry in self.entrants if entry.number not in dropped]
