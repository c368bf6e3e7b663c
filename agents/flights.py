"""Simulations that are out: every attempt that was sent and has not come back."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.storage import Loan

from .buffer import Attempt


@dataclass(eq=False)
class Flight:
    """One attempt that is out. It holds one slot and one loan until it is ended.

    Attributes:
        attempt: Which.
        loan: Its arguments, lent to it alone.
        sent: When it was sent, on the monotonic clock.
        deadline: When its lease runs out, on the same clock.
        task_id: Its task; None until the queue has taken it.
        is_unwanted: Whether it is to be called back, if it has not begun.
        is_reported: Whether it was reported as a straggler.
    """

    attempt: Attempt
    loan: Loan
    sent: float
    deadline: float
    task_id: str | None = None
    is_unwanted: bool = False
    is_reported: bool = False

    @property
    def key(self) -> str:
        """Key of its candidate."""
        return self.attempt.candidate.key

    @property
    def candidate(self) -> Candidate:
        """Its candidate, with the arguments of this attempt."""
        return self.attempt.candidate

    def seconds_out(self) -> float:
        """How long ago it was sent."""
        return time.monotonic() - self.sent


class Flights:
    """All flights, in the order in which they were sent, and what was sent for candidates that are not done with.

    A flight is ended once: each method that ends some returns them, and nobody else gets them. Not thread-safe: its
    owner holds a lock.
    """

    def __init__(self) -> None:
        self._out: dict[tuple[str, int], Flight] = {}
        self._by_key: dict[str, list[Flight]] = {}
        self._sent: dict[str, dict[int, Candidate]] = {}
        self._to_call_back: list[Flight] = []

    def __len__(self) -> int:
        return len(self._out)

    def __iter__(self) -> Iterator[Flight]:
        return iter(self._out.values())

    def add(self, attempt: Attempt, loan: Loan, lease: float) -> Flight:
        """An attempt is about to be sent.

        Args:
            attempt: Which; it must not be out.
            loan: Its arguments.
            lease: Seconds without a result after which it counts as lost; the same for all.
        """
        key, now = attempt.candidate.key, time.monotonic()
        assert (key, attempt.number) not in self._out, f'attempt {attempt.number} at {key} is out already'
        flight = Flight(attempt, loan, now, now + lease)
        self._out[key, attempt.number] = flight
        self._by_key.setdefault(key, []).append(flight)
        self._sent.setdefault(key, {})[attempt.number] = attempt.candidate
        return flight

    def of(self, key: str) -> Sequence[Flight]:
        """Flights of one candidate."""
        return tuple(self._by_key.get(key, ()))

    def candidate(self, key: str, number: int) -> Candidate | None:
        """The candidate with the arguments of that very attempt, until it is done with."""
        return self._sent.get(key, {}).get(number)

    def next_number(self, attempt: Attempt) -> int:
        """The number of a further attempt at the same candidate."""
        return 1 + max(attempt.number, *self._sent.get(attempt.candidate.key, (0,)))

    def forget(self, key: str) -> None:
        """The candidate is done with: nothing that is still out of it is wanted."""
        self._sent.pop(key, None)
        self.call_back(self.of(key))

    def call_back(self, flights: Iterable[Flight]) -> None:
        """These are wanted no longer."""
        for flight in flights:
            if not flight.is_unwanted:
                flight.is_unwanted = True
                self._to_call_back.append(flight)

    def to_call_back(self) -> list[Flight]:
        """Flights that are unwanted and have not been called back yet."""
        self._to_call_back = [flight for flight in self._to_call_back if self._is_out(flight)]
        return [flight for flight in self._to_call_back if flight.task_id is not None]

    def called_back(self, flights: Collection[Flight]) -> None:
        """The task server has been asked for these."""
        self._to_call_back = [flight for flight in self._to_call_back if flight not in flights]

    def beyond(self, number: int) -> list[Flight]:
        """Those sent last, without the oldest ``number``."""
        return list(self)[number:]

    def task_ids(self) -> list[str]:
        """Tasks of all that are out, as far as they are known."""
        return [flight.task_id for flight in self if flight.task_id is not None]

    # -- ending -------------------------------------------------------------------------------------------------

    def land(self, key: str, number: int, task_id: str | None = None) -> Flight | None:
        """End the flight that a result belongs to; None if it is not out.

        A result of another task than the flight's belongs to an earlier sending of the same attempt, which reached the
        task server although the queue said that it had not.
        """
        flight = self._out.get((key, number))
        if flight is None or (task_id and flight.task_id and flight.task_id != task_id):
            return None
        return self._end([flight])[0]

    def cancel(self, flight: Flight) -> bool:
        """End this very flight; returns whether it was out."""
        return self._is_out(flight) and bool(self._end([flight]))

    def overdue(self) -> list[Flight]:
        """End the flights whose lease has run out, oldest first."""
        now = time.monotonic()
        return self._end(list(takewhile(lambda flight: flight.deadline <= now, self)))

    def missing(self, task_ids: Collection[str]) -> list[Flight]:
        """End the flights of these tasks that are still out, oldest first."""
        return self._end([flight for flight in self if flight.task_id in task_ids])

    def _end(self, flights: list[Flight]) -> list[Flight]:
        for flight in flights:
            del self._out[flight.key, flight.attempt.number]
            mine = self._by_key[flight.key]
            mine.remove(flight)
            if not mine:
                del self._by_key[flight.key]
        return flights

    def _is_out(self, flight: Flight) -> bool:
        return self._out.get((flight.key, flight.attempt.number)) is flight
