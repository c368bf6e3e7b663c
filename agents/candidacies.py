"""Where every candidate stands: ready, out, due again, observed or given up."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from scoutbee.contracts.candidates import Candidate, Objective, Observation
from scoutbee.contracts.errors import FailureKind
from scoutbee.contracts.policy import Policy
from scoutbee.contracts.storage import Loan
from scoutbee.traces.taken_rows import TakenRows

from .buffer import Attempt, CandidateBuffer
from .bulletin import Bulletin
from .flights import Flight, Flights
from .horizon import RunTimes
from .tally import Counts


class Candidacies(Bulletin):
    """The candidates' part of the board.

    A candidate is *open* from when it is first taken from the buffer until it is observed or given up. All that time
    an attempt at it is out, due to be repeated, or in the hands of the launcher or the receiver.

    Attributes:
        buffer: What is ready.
        flights: What is out.
        open: Candidates that are open, by key, with the arguments of their newest attempt.
        failures: Attempts that failed, by key of an open candidate and kind; losses are counted apart.
        losses: Attempts that were lost, by key.
        kills: Workers that died of it, by key.
        causes: Errors for which candidates were given up.
        run_times: How long simulations that succeeded were out.
    """

    def __init__(self, policy: Policy, objective: Objective, done: threading.Event) -> None:
        """Begin with nothing; see ``Board``."""
        super().__init__(done)
        self.policy = policy
        self.objective = objective
        self.buffer = CandidateBuffer(policy.buffer_size)
        self.flights = Flights()
        self.counts = Counts()
        self.observations: list[Observation] = []
        self.best: Observation | None = None
        self.open: dict[str, Candidate] = {}
        self.failures: dict[str, Counter[FailureKind]] = {}
        self.losses: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()
        self.run_times = RunTimes()
        self._rows = TakenRows()
        self._in_hand: set[str] = set()
        self._undecided: set[str] = set()

    # -- going out ----------------------------------------------------------------------------------------------

    def _open(self, attempt: Attempt) -> None:
        candidate = attempt.candidate
        if candidate.key not in self.open:
            self.counts.submitted += 1
            self.mark_row(candidate.row)
        self.open[candidate.key] = candidate
        self._in_hand.add(candidate.key)
        self._undecided.discard(candidate.key)
        if attempt.after_loss:
            self.counts.resubmitted += 1

    def mark_row(self, row: int | None) -> None:
        """Count a row of the search space as taken."""
        if row is not None:
            self._rows.append(row)

    def _fly(self, attempt: Attempt, lend: Callable[[Candidate], Loan]) -> Flight:
        """Lend without the lock, because a store may take its time; the candidate is open already."""
        try:
            loan = lend(attempt.candidate)
        except BaseException:
            self._put_back(attempt)
            raise
        key = attempt.candidate.key
        with self.lock:
            self._in_hand.discard(key)
            flight = self.flights.add(attempt, loan, self.policy.simulation_lease)
            if key not in self.open:  # a late result has come meanwhile
                self.flights.forget(key)
            self._undecided.discard(key)
            self.notify()
        return flight

    def cancel_launch(self, flight: Flight) -> bool:
        """A flight could not be sent: end it, and have its attempt due again.

        Returns:
            Whether it was still out. Its task may have been sent after all and have come back.
        """
        with self.lock:
            was_out = self.flights.cancel(flight)
            if was_out:
                self._put_back(flight.attempt)
            return was_out

    def _put_back(self, attempt: Attempt) -> None:
        key = attempt.candidate.key
        with self.lock:
            self._in_hand.discard(key)
            if attempt.after_loss:
                self.counts.resubmitted -= 1
            if key in self.open and not self.is_under_way(key):
                self.buffer.repeat(replace(attempt, is_copy=False))
            self._review(key)

    # -- coming back --------------------------------------------------------------------------------------------

    def land(self, key: str, number: int, task_id: str | None = None) -> Flight | None:
        """A result came back: end that very attempt's flight; None if it was not in flight."""
        with self.lock:
            flight = self.flights.land(key, number, task_id)
            self._review(key)
            self.notify()
            return flight

    def overdue(self) -> list[Flight]:
        """End the flights whose lease has run out, oldest first."""
        with self.lock:
            return self._ended(self.flights.overdue())

    def lose(self, flights: Iterable[Flight]) -> list[Flight]:
        """End those of these flights that are still out; returns them, oldest first."""
        with self.lock:
            return self._ended(self.flights.cancel_all(flights))

    def _ended(self, flights: list[Flight]) -> list[Flight]:
        for flight in flights:
            self._review(flight.key)
        if flights:
            self.notify()
        return flights

    def ran(self, seconds: float) -> None:
        """A simulation succeeded after so long."""
        with self.lock:
            self.run_times.add(seconds)

    def sent(self, key: str, number: int) -> Candidate | None:
        """An open candidate as that attempt was sent, as far as that is known; None if it is not open."""
        with self.lock:
            known = self.open.get(key)
            return None if known is None else self.flights.candidate(key, number) or known

    def is_under_way(self, key: str) -> bool:
        """Whether an attempt at a candidate is out, in the launcher's hand, or due to be repeated."""
        with self.lock:
            return bool(self.flights.of(key)) or key in self._in_hand or key in self.buffer.repeating()

    @property
    def is_deciding(self) -> bool:
        """Whether what became of an open candidate is in the receiver's hands, which nothing else is under way of."""
        return bool(self._undecided)

    def _review(self, key: str) -> None:
        """Note whether an attempt that ended has left an open candidate with nothing under way."""
        if key in self.open and not self.is_under_way(key):
            self._undecided.add(key)

    @property
    def is_awaiting(self) -> bool:
        """Whether an open candidate is more than due to be repeated, so that an observation may come of it."""
        with self.lock:
            return len(self.open) > len(self.buffer.repeating())  # what is due to be repeated is open

    def repeat(self, attempt: Attempt, *, lost: bool) -> None:
        """Queue a further attempt at a candidate, before everything else."""
        with self.lock:
            number = self.flights.next_number(attempt)
            self.buffer.repeat(Attempt(attempt.candidate, number, after_loss=lost))
            self._undecided.discard(attempt.candidate.key)
            self.notify()

    def observe(self, observation: Observation, follow_ups: Iterable[Candidate] = ()) -> None:
        """Count an observation that is on disk."""
        with self.lock:
            self._finish(observation.candidate.key)
            self.observations.append(observation)
            self.counts.succeeded += 1
            if self.objective.is_found(observation.value):
                self.counts.found += 1
            if observation.value is not None and (self.best is None or self._beats_best(observation.value)):
                self.best = observation
            self.buffer.follow_up(follow_ups)
            self.notify()

    def _beats_best(self, value: float) -> bool:
        assert self.best is not None
        assert self.best.value is not None
        return self.objective.sign * value > self.objective.sign * self.best.value

    def give_up(self, key: str, cause: str, *, quarantined: bool) -> None:
        """Count a candidate that will have no observation."""
        with self.lock:
            self._finish(key)
            self.causes[cause] += 1
            if quarantined:
                self.counts.quarantined += 1
            else:
                self.counts.failed += 1
            self.notify()

    def _finish(self, key: str) -> None:
        self.open.pop(key, None)
        self.failures.pop(key, None)
        self.buffer.drop_repeat(key)  # an attempt that counted as lost has brought a result after all
        self.flights.forget(key)
        self._undecided.discard(key)

    # -- calling back -------------------------------------------------------------------------------------------

    def recallable(self, workers: int) -> list[Candidate]:
        """Candidates that were sent and cannot have begun, as more were sent before them than there are workers.

        Only those count that came from a ranking, have a row to be ranked by, and were sent once.
        """
        with self.lock:
            return [flight.attempt.candidate for flight in self.flights.beyond(workers) if self._is_recallable(flight)]

    def recall(self, keys: Iterable[str]) -> None:
        """Call back what a ranking has ranked out of the buffer, where it has not begun."""
        with self.lock:
            self.flights.call_back(flight for key in keys for flight in self.flights.of(key))
            self.notify()

    def may_withdraw(self, flight: Flight) -> bool:
        """Whether a flight that has ended unbegun leaves its candidate as if it had never been submitted."""
        with self.lock:
            return flight.is_unwanted and self._is_recallable(flight) and not self.is_under_way(flight.key)

    def withdraw(self, candidate: Candidate) -> None:
        """Count a candidate as never submitted."""
        with self.lock:
            del self.open[candidate.key]
            self.flights.forget(candidate.key)
            self._undecided.discard(candidate.key)
            self.counts.submitted -= 1
            if candidate.row is not None:
                self._rows.remove(candidate.row)
            self.buffer.give_back(candidate)
            self.notify()

    def _is_recallable(self, flight: Flight) -> bool:
        attempt, key = flight.attempt, flight.key
        is_first = attempt.number == 1 and not attempt.is_owed and attempt.candidate.row is not None
        return is_first and key in self.open and not self.losses[key] and key not in self.failures
