"""Candidates and slots, counted from the ledger as the agents count them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Candidate, Objective, Observation
from scoutbee.traces.replay_events import COPIED, RESUBMITTED, RESUMED, SLOTS_MOVED, SUBMITTED, WITHDRAWN

from .clock import ENDED, STARTED
from .glimpses import Event, Selected, Simulated

_SET_OUT = (STARTED, RESUMED)
_SENT = frozenset({SUBMITTED, RESUBMITTED, COPIED})
_FINAL = frozenset({'observed', 'failed', 'quarantined'})
_LOST = 'lost'
_REFILLED = 'refilled'


class Tally:
    """What became of the candidates, which are in flight, and how many slots there are."""

    def __init__(self, objective: Objective) -> None:
        """Count from nothing.

        Args:
            objective: What is looked for.
        """
        self.submitted = self.succeeded = self.failed = self.quarantined = self.resubmitted = self.found = 0
        self.buffered = 0
        self.best: Observation | None = None
        self.search_size: int | None = None
        self.slots: dict[str, int] = {}
        self.prefetch = 0
        """Simulation slots beyond the number of workers."""
        self.most_in_flight = 0
        self.flights: dict[str, dict[int, float]] = {}
        """Attempts that were sent and are not back, by candidate and number: when they were sent, campaign seconds."""
        self.in_flight = 0
        """How many they are."""
        self._open: set[str] = set()
        self._objective = objective

    def hear(self, record: Event, at: float) -> None:
        """Count an event.

        Args:
            record: It.
            at: Its time, campaign seconds.
        """
        if record.event in _SENT:
            self._sent(record, at)
        else:
            self._heard(record)

    def ranked(self, record: Selected) -> None:
        """The buffer holds what a ranking put there."""
        self.buffered = record.kept

    def simulated(self, record: Simulated) -> None:
        """Count a simulation that came back."""
        self._land(record.key, record.attempt)
        if record.outcome == 'observed':
            self._observed(record)
        elif record.outcome == 'failed':
            self.failed += 1
        elif record.outcome == 'quarantined':
            self.quarantined += 1
        elif record.outcome == 'withdrawn':
            self._withdraw(record.key)
        if record.outcome in _FINAL:
            self._open.discard(record.key)

    def busy(self) -> tuple[int, int]:
        """Simulation slots in use, and how many there are."""
        in_use = self.in_flight
        return in_use, max(self.slots.get(SIMULATE, self.most_in_flight), in_use)

    def _sent(self, record: Event, at: float) -> None:
        key, attempt = str(record.facts.get('key')), int(record.facts.get('attempt', 1))
        if key not in self._open:
            self._open.add(key)
            self.submitted += 1
            self.buffered = max(0, self.buffered - 1)
        if record.event == RESUBMITTED:  # what it replaces is lost
            self.resubmitted += 1
            self.in_flight -= len(self.flights.pop(key, ()))
        attempts = self.flights.setdefault(key, {})
        self.in_flight += attempt not in attempts
        attempts[attempt] = at
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def _heard(self, record: Event) -> None:
        facts = record.facts
        if record.event in _SET_OUT or record.event == ENDED:
            self.flights.clear()
            self.in_flight = 0
            self.buffered = facts.get('buffered', self.buffered)
            self.search_size = facts.get('search_size', self.search_size)
            self.slots = dict(facts.get('slots', self.slots))
            self.prefetch = int(facts.get('prefetch', self.prefetch))
        elif record.event == _REFILLED:
            self.buffered += int(facts.get('added', 0))
        elif record.event == _LOST:
            self._land(str(facts.get('key')), int(facts.get('attempt', 1)))
        elif record.event == WITHDRAWN:
            self._withdraw(str(facts.get('key')))
        elif record.event == SLOTS_MOVED:
            self._move(facts)

    def _withdraw(self, key: str) -> None:
        """It is as if the candidate had never been sent, unless another attempt has been received."""
        self.in_flight -= len(self.flights.pop(key, ()))
        if key in self._open:
            self._open.discard(key)
            self.submitted -= 1

    def _move(self, facts: Mapping[str, Any]) -> None:
        """Slots change sides as they come free; here, at once."""
        count = int(facts.get('count', 0))
        for pool, change in ((facts.get('source'), -count), (facts.get('target'), count)):
            if pool in self.slots:
                self.slots[pool] += change

    def _land(self, key: str, attempt: int) -> None:
        attempts = self.flights.get(key)
        if attempts is None:
            return
        self.in_flight -= attempts.pop(attempt, None) is not None
        if not attempts:
            del self.flights[key]

    def _observed(self, record: Simulated) -> None:
        self.succeeded += 1
        self.found += self._objective.is_found(record.value)
        if record.value is not None and (self.best is None or self._is_better(record.value)):
            self.best = Observation(Candidate(record.key, ()), record.value, {})

    def _is_better(self, value: float) -> bool:
        assert self.best is not None
        assert self.best.value is not None
        return self._objective.sign * value > self._objective.sign * self.best.value
