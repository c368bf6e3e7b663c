"""The simulation launcher: a free slot becomes a running simulation."""

from __future__ import annotations

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Candidate
from scoutbee.contracts.storage import Loan

from .agent import PATIENCE, Agent
from .buffer import Attempt


class SimulationLauncher(Agent):
    """Wakes on a free slot, takes the best candidate from the buffer, writes down that it is submitted, sends it."""

    name = 'simulation launcher'

    def step(self) -> None:
        """Turn one free slot into one simulation."""
        slots = self.context.slots
        if not slots.acquire(SIMULATE, 1, timeout=PATIENCE, cancel_if=self.board.done):
            return
        attempt: Attempt | None = None
        sent = False
        try:
            attempt = self._next_attempt()
            if attempt is not None:
                self._send(attempt)
                sent = True
        finally:
            if not sent:
                if attempt is not None:
                    self._put_back(attempt)
                slots.release(SIMULATE)

    def _next_attempt(self) -> Attempt | None:
        """The best candidate, once there is one that may be launched; None if the campaign ends first."""
        while not self.board.done.is_set():
            if self.board.wait(lambda: self.board.may_launch, PATIENCE):
                attempt = self.board.take(self._lend)
                if attempt is not None:
                    return attempt
        return None

    def _lend(self, candidate: Candidate) -> Loan:
        return self.context.depot.lend(SIMULATE, candidate.args)

    def _send(self, attempt: Attempt) -> None:
        candidate = attempt.candidate
        self.traces.event(
            self.name,
            'resubmitted' if attempt.after_loss else 'submitted',
            f'Simulate {candidate.key}' + ('' if attempt.number == 1 else f' (attempt {attempt.number})'),
            key=candidate.key,
            row=candidate.row,
            args=list(candidate.args),
            choice=candidate.choice.facts(),
            attempt=attempt.number,
        )
        with self.board.lock:
            loan = self.board.flights[candidate.key].loan
        self.context.queues.send_inputs(
            loan.ref,
            method=SIMULATE,
            topic=SIMULATE,
            keep_inputs=False,
            task_info={'key': candidate.key, 'attempt': attempt.number},
        )

    def _put_back(self, attempt: Attempt) -> None:
        """It was not sent after all: the same attempt is due again."""
        flight = self.board.land(attempt.candidate.key, attempt.number)
        if flight is not None:
            self.reclaim(flight.loan)
        with self.board.lock:
            self.board.buffer.repeat(attempt)
