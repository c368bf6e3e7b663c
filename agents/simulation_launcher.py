"""The simulation launcher: a free slot becomes a running simulation."""

from __future__ import annotations

import time
from collections.abc import Sequence

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.storage import Loan
from scoutbee.traces.records import EventRecord

from .agent import PATIENCE, Agent
from .context import Context
from .flights import Flight
from .waits import WaitLog

_AT_ONCE = 64
"""Simulations sent at once."""

_GATHER_SECONDS = 0.005
"""How long the first of them waits for the others to be lent what they need."""


class SimulationLauncher(Agent):
    """Wakes on a free slot, takes the best candidate from the buffer, writes down that it is submitted, sends it.

    Slots that are free together are filled together. Where nothing is left to launch, and the policy says so, it sends
    what takes long a second time.
    """

    name = 'simulation launcher'

    def __init__(self, context: Context) -> None:
        """Args: context: The parts of the running campaign."""
        super().__init__(context)
        self._waits = WaitLog()

    def step(self) -> None:
        """Turn free slots into simulations."""
        slots = self.context.slots
        free_since = slots.acquire_oldest(SIMULATE, timeout=PATIENCE, cancel_if=self.board.done)
        if free_since is None:
            return
        flights: list[tuple[Flight, float]] = []
        try:
            flight = self._next_flight()
            if flight is not None:
                flights.append((flight, free_since))
                self._gather(flights)
        finally:
            if flights:  # from here on the slots belong to the flights
                self._send([(flight, self._waits.since(since)) for flight, since in flights])
            else:
                slots.release(SIMULATE)

    def _gather(self, flights: list[tuple[Flight, float]]) -> None:
        """Add the best candidates for what other slots are free, for as long as the first one can wait."""
        slots = self.context.slots
        until = time.monotonic() + _GATHER_SECONDS
        while len(flights) < _AT_ONCE and time.monotonic() < until:
            free_since = slots.acquire_now(SIMULATE)
            if free_since is None:
                return
            flight = None
            try:
                flight = self.board.take(self._lend)
            finally:
                if flight is None:
                    slots.put_back(SIMULATE, free_since)
            if flight is None:
                return
            flights.append((flight, free_since))

    def _next_flight(self) -> Flight | None:
        """That of the best candidate, once there is one that may be launched; None if the campaign ends first."""
        while not self.board.done.is_set():
            flight = self.board.take(self._lend) or self._take_copy()
            if flight is not None:
                return flight
            self._wait()
        return None

    def _take_copy(self) -> Flight | None:
        """A second attempt at what takes long, where a worker idles; a slot that is only prefetched for is not one."""
        if not self.policy.speculate or len(self.board.flights) >= self.context.simulation_workers():
            return None
        slow = self.board.worth_a_copy()
        if slow is None:
            return None
        loan = self._lend(slow.candidate)
        flight = self.board.copy(slow, loan)
        if flight is None:
            self.reclaim(loan)
        return flight

    def _wait(self) -> None:
        """Wait until what is in the way has changed, and remember what it was."""
        began = time.monotonic()
        cause = self.board.hold_up()
        if cause is None:
            return
        self.board.wait(lambda: self.board.hold_up() != cause, PATIENCE)
        self._waits.note(cause, began, time.monotonic())

    def _lend(self, candidate: Candidate) -> Loan:
        return self.context.depot.lend(SIMULATE, candidate.args)

    def _send(self, flights: Sequence[tuple[Flight, dict[str, float]]]) -> None:
        try:
            self.traces.write_all([self._record(flight, waited) for flight, waited in flights])
            task_ids = self.context.queues.send_many(
                [((flight.loan.ref,), {'key': flight.key, 'attempt': flight.attempt.number}) for flight, _ in flights],
                method=SIMULATE,
                topic=SIMULATE,
            )
        except BaseException:
            for flight, _ in flights:
                self._take_back(flight)
            raise
        for (flight, _), task_id in zip(flights, task_ids, strict=True):
            flight.task_id = task_id

    def _record(self, flight: Flight, waited: dict[str, float]) -> EventRecord:
        attempt, candidate = flight.attempt, flight.candidate
        return EventRecord(
            agent=self.name,
            event='copied' if attempt.is_copy else 'resubmitted' if attempt.after_loss else 'submitted',
            message=f'Simulate {candidate.key}' + ('' if attempt.number == 1 else f' (attempt {attempt.number})'),
            facts={
                'key': candidate.key,
                'row': candidate.row,
                'args': list(candidate.args),
                'choice': candidate.choice.facts(),
                'attempt': attempt.number,
                'waited': waited,
            },
        )

    def _take_back(self, flight: Flight) -> None:
        """It was not sent after all: the same attempt is due again."""
        if self.board.cancel_launch(flight):  # otherwise the receiver has freed its slot
            self.context.slots.release(SIMULATE)
            self.reclaim(flight.loan)
