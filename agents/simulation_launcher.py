"""The simulation launcher: a free slot becomes a running simulation."""

from __future__ import annotations

import time

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.storage import Loan

from .agent import PATIENCE, Agent
from .context import Context
from .flights import Flight
from .waits import WaitLog


class SimulationLauncher(Agent):
    """Wakes on a free slot, takes the best candidate from the buffer, writes down that it is submitted, sends it.

    Where nothing is left to launch, and the policy says so, it sends what takes long a second time.
    """

    name = 'simulation launcher'

    def __init__(self, context: Context) -> None:
        """Args: context: The parts of the running campaign."""
        super().__init__(context)
        self._waits = WaitLog()

    def step(self) -> None:
        """Turn one free slot into one simulation."""
        slots = self.context.slots
        free_since = slots.acquire_oldest(SIMULATE, timeout=PATIENCE, cancel_if=self.board.done)
        if free_since is None:
            return
        is_in_hand = True
        try:
            flight = self._next_flight()
            if flight is not None:
                is_in_hand = False  # from here on the slot belongs to the flight
                self._send(flight, self._waits.since(free_since))
        finally:
            if is_in_hand:
                slots.release(SIMULATE)

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

    def _send(self, flight: Flight, waited: dict[str, float]) -> None:
        attempt, candidate = flight.attempt, flight.candidate
        event = 'copied' if attempt.is_copy else 'resubmitted' if attempt.after_loss else 'submitted'
        try:
            self.traces.event(
                self.name,
                event,
                f'Simulate {candidate.key}' + ('' if attempt.number == 1 else f' (attempt {attempt.number})'),
                key=candidate.key,
                row=candidate.row,
                args=list(candidate.args),
                choice=candidate.choice.facts(),
                attempt=attempt.number,
                waited=waited,
            )
            task_id = self.context.queues.send_inputs(
                flight.loan.ref,
                method=SIMULATE,
                topic=SIMULATE,
                keep_inputs=False,
                task_info={'key': candidate.key, 'attempt': attempt.number},
            )
        except BaseException:
            self._take_back(flight)
            raise
        flight.task_id = task_id

    def _take_back(self, flight: Flight) -> None:
        """It was not sent after all: the same attempt is due again."""
        if self.board.cancel_launch(flight):  # otherwise the receiver has freed its slot
            self.context.slots.release(SIMULATE)
            self.reclaim(flight.loan)
