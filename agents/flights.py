"""Simulations that are out: every attempt that was sent and has not come back."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, takewhile

from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.storage import Loan

from .buffer import Attempt


@dataclass(eq=False, slots=True)
class Flight:
    """One attempt that is out. It holds one slot and one loan until it is ended.

    Attributes:
        attempt: Which.
        loan: Its arguments, lent to it alone.
        sent: When it was sent, on the monotonic clock.
        deadline: When its lease runs out, on the same clock.
        task_id: Its task; None until the queue has taken it.
        is_unwanted: Whether it is to be called back, if it has not begun.
    """

    attempt: Attempt
    loan: Loan
    sent: float
    deadline: float
    task_id: str | None = None
    is_unwanted: bool = False

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

    A flight is ended once: each method that ends some returns them, and nobody else gets them. What is asked after
    every result costs the same however many are out: ordered dicts know their first entry, which a plain dict has to
    look for behind all that was deleted before it. Not thread-safe: its owner holds a lock.
    """

    def __init__(self) -> None:
        self._out: OrderedDict[tuple[str, int], Flight] = OrderedDict()
        self._by_key: dict[str, tuple[Flight, ...]] = {}
        self._sent: dict[str, tuple[Attempt, ...]] = {}
        self._unreported: OrderedDict[Flight, None] = OrderedDict()
        self._alone: OrderedDict[Flight, None] = OrderedDict()
        self._to_call_back: dict[Flight, None] = {}

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
        self._unreported[flight] = None
        others = self._by_key.get(key, ())
        for other in others:
            self._alone.pop(other, None)
        if not others:
            self._alone[flight] = None
        self._by_key[key] = (*others, flight)
        self._sent[key] = (*self._sent.get(key, ()), attempt)
        return flight

    def of(self, key: str) -> tuple[Flight, ...]:
        """Flights of one candidate."""
        return self._by_key.get(key, ())

    def candidate(self, key: str, number: int) -> Candidate | None:
        """The candidate with the arguments of that very attempt, until it is done with."""
        return next((a.candidate for a in reversed(self._sent.get(key, ())) if a.number == number), None)

    def next_number(self, attempt: Attempt) -> int:
        """The number of a further attempt at the same candidate."""
        return 1 + max(attempt.number, *(a.number for a in self._sent.get(attempt.candidate.key, ())), 0)

    def forget(self, key: str) -> None:
        """The candidate is done with: nothing that is still out of it is wanted."""
        self._sent.pop(key, None)
        for flight in self.of(key):
            self._alone.pop(flight, None)
        self.call_back(self.of(key))

    # -- what takes long ----------------------------------------------------------------------------------------

    def stragglers(self, seconds: float) -> list[Flight]:
        """Flights out for longer than this that were not told before, oldest first."""
        limit = time.monotonic() - seconds
        late = list(takewhile(lambda flight: flight.sent < limit, self._unreported))
        for flight in late:
            del self._unreported[flight]
        return late

    def slowest_alone(self) -> Flight | None:
        """The oldest flight that is the only and the newest attempt at a candidate that is not done with."""
        return next(iter(self._alone), None)

    def may_be_copied(self, flight: Flight) -> bool:
        """Whether a flight is out, and the only and the newest attempt at a candidate that is not done with."""
        return flight in self._alone

    # -- what is not wanted -------------------------------------------------------------------------------------

    def call_back(self, flights: Iterable[Flight]) -> None:
        """These are wanted no longer."""
        for flight in flights:
            if not flight.is_unwanted:
                flight.is_unwanted = True
                self._to_call_back[flight] = None

    def to_call_back(self) -> list[Flight]:
        """Flights that are unwanted and have not been called back yet."""
        return [flight for flight in self._to_call_back if flight.task_id is not None]

    def called_back(self, flights: Collection[Flight]) -> None:
        """The task server has been asked for these."""
        for flight in flights:
            self._to_call_back.pop(flight, None)

    def beyond(self, number: int) -> list[Flight]:
        """Those sent last, without the oldest ``number``."""
        newest = list(islice(reversed(self._out.values()), max(0, len(self) - number)))
        return newest[::-1]

    def by_task(self) -> dict[str, Flight]:
        """All that are out, by their tasks, as far as these are known."""
        return {flight.task_id: flight for flight in self if flight.task_id is not None}

    # -- ending -------------------------------------------------------------------------------------------------

    def land(self, key: str, number: int, task_id: str | None = None) -> Flight | None:
        """End the flight that a result belongs to; None if it is not out.

        A result of another task than the flight's belongs to an earlier sending of the same attempt, which reached the
        task server although the queue said that it had not.
        """
        flight = self._out.get((key, number))
        if flight is None or (task_id and flight.task_id and flight.task_id != task_id):
            return None
        self._end(flight)
        return flight

    def cancel(self, flight: Flight) -> bool:
        """End this very flight; returns whether it was out."""
        if self._out.get((flight.key, flight.attempt.number)) is not flight:
            return False
        self._end(flight)
        return True

    def overdue(self) -> list[Flight]:
        """End the flights whose lease has run out, oldest first."""
        now = time.monotonic()
        return self.cancel_all(list(takewhile(lambda flight: flight.deadline <= now, self)))

    def cancel_all(self, flights: Iterable[Flight]) -> list[Flight]:
        """End those of these very flights that are still out; returns them, oldest first."""
        return sorted((flight for flight in flights if self.cancel(flight)), key=lambda flight: flight.sent)

    def _end(self, flight: Flight) -> None:
        key = flight.key
        del self._out[key, flight.attempt.number]
        for lane in (self._unreported, self._alone, self._to_call_back):
            lane.pop(flight, None)
        mine = self._by_key[key]
        if len(mine) == 1:
            del self._by_key[key]
            return
        left = tuple(other for other in mine if other is not flight)
        self._by_key[key] = left
        self._leave_alone(left)

    def _leave_alone(self, left: tuple[Flight, ...]) -> None:
        """What is left of a candidate may be sent once more if it is one, and the newest of an open candidate."""
        (last, *others) = left
        if not others and last.key in self._sent and self.next_number(last.attempt) == last.attempt.number + 1:
            self._alone[last] = None
            self._alone.move_to_end(last, last=False)  # it has been out for long: it was copied, or is the copy
