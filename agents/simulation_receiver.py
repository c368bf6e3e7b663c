"""The simulation receiver: a result becomes an observation, and perhaps a reason to learn or to end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Literal

from colmena.models import Result

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Candidate, Observation
from scoutbee.contracts.errors import Failure, FailureKind, TaskError
from scoutbee.traces.errors import TraceError
from scoutbee.traces.records import SimulationRecord

from .agent import Agent
from .board import Flight
from .buffer import Attempt
from .results import failure_of, task_fields, value_of

_Outcome = Literal['observed', 'retried', 'failed', 'quarantined', 'duplicate']

_RETRIED = frozenset({FailureKind.RANDOM, FailureKind.RESOURCE})
_LOSSES = frozenset({FailureKind.LOST, FailureKind.KILLED})


class SimulationReceiver(Agent):
    """Wakes on a simulation result; frees the slot first, makes the record durable, counts, and decides.

    It also keeps the leases: a simulation without a result past its lease is lost, gives its slot back, and is
    simulated again. A late result of a lost attempt is still taken, if it is the first.
    """

    name = 'simulation receiver'

    def is_finished(self) -> bool:
        """Whether the campaign has ended and nothing in flight is waited for."""
        return self.board.is_drained

    def step(self) -> None:
        """Respond to one result, and to leases that have run out."""
        result = self.receive(SIMULATE)
        if result is not None:
            self._respond(result)
        for flight in self.board.overdue():
            self._lose(flight)
        self._keep_the_deadline()

    def _respond(self, result: Result) -> None:
        info = result.task_info or {}
        key, number = str(info['key']), int(info['attempt'])
        flight = self.board.land(key, number)
        if flight is not None:
            self._free(flight)
        with self.board.lock:
            candidate = self.board.open.get(key)
        if candidate is None:
            self._drop_duplicate(result, key, number)
            return
        try:
            self._take(result, candidate, number, is_late=flight is None)
        except TraceError:
            raise
        except Exception as error:
            self._rescue(candidate, number, error)
            raise

    def _take(self, result: Result, candidate: Candidate, number: int, *, is_late: bool) -> None:
        observation, failure = self._read(result, candidate)
        if observation is not None:
            self._observe(result, observation, number)
        elif failure is not None and not is_late:  # that of an attempt already being repeated says nothing new
            self._fail(result, candidate, number, failure)

    def _rescue(self, candidate: Candidate, number: int, error: Exception) -> None:
        """A result that could not be dealt with must not leave its candidate in between."""
        with self.board.lock:
            if candidate.key not in self.board.open or candidate.key in self.board.flights:
                return
            if number <= self.policy.simulation_retries:
                self.board.repeat(Attempt(candidate, number), lost=False)
            else:
                self.board.give_up(candidate.key, type(error).__name__, quarantined=False)

    def _free(self, flight: Flight) -> None:
        self.context.slots.release(SIMULATE)
        self.reclaim(flight.loan)

    def _read(self, result: Result, candidate: Candidate) -> tuple[Observation | None, Failure | None]:
        failure = failure_of(result)
        if failure is not None:
            return None, failure
        try:
            output = value_of(result)
            with self.context.campaign_lock:
                return self.context.campaign.read(candidate, output), None
        except TaskError as error:
            return None, Failure(error.kind, type(error).__name__, str(error))
        except Exception as error:
            return None, Failure(FailureKind.RANDOM, type(error).__name__, f'The output could not be read: {error}')

    def _observe(self, result: Result, observation: Observation, number: int) -> None:
        self._record(result, observation.candidate, number, 'observed', observation=observation)
        follow_ups: Sequence[Candidate] = ()
        goal: str | None = None
        try:
            with self.context.campaign_lock:
                follow_ups = self.context.campaign.follow_ups(observation)
                goal = self.context.campaign.goal()
        finally:  # whatever the campaign makes of it, it is on disk and counts
            self.board.observe(observation, follow_ups)
        if goal is not None:
            self.board.end('completed', goal, grace=self.policy.grace)
        elif self.board.counts.succeeded >= self.policy.search_size:
            self.board.end('completed', f'All {self.policy.search_size} simulations are done.')

    def _fail(self, result: Result, candidate: Candidate, number: int, failure: Failure) -> None:
        outcome = self._judge(candidate.key, number, failure)
        self._record(result, candidate, number, outcome, failure=failure)
        if outcome == 'retried':
            self.board.repeat(Attempt(candidate, number), lost=failure.kind in _LOSSES)
            return
        self.board.give_up(candidate.key, failure.error, quarantined=outcome == 'quarantined')
        self._end_if_hopeless()

    def _judge(self, key: str, number: int, failure: Failure) -> _Outcome:
        board = self.board
        if failure.kind in _LOSSES:
            board.losses[key] += 1
            board.kills[key] += failure.kind is FailureKind.KILLED
            suspect = board.kills[key] >= self.policy.worker_kills or board.losses[key] >= self.policy.losses
            return 'quarantined' if suspect else 'retried'
        tried = number - board.losses[key]
        if failure.kind in _RETRIED and tried <= self.policy.simulation_retries:
            return 'retried'
        return 'failed'

    def _end_if_hopeless(self) -> None:
        counts = self.board.counts
        bad = counts.failed + counts.quarantined
        share = bad / (bad + counts.succeeded)
        if bad + counts.succeeded >= self.policy.failure_minimum and share > self.policy.failure_share:
            cause, times = self.board.causes.most_common(1)[0]
            self.board.end(
                'failed',
                f'{bad} of {bad + counts.succeeded} candidates failed, more than the share of '
                f'{self.policy.failure_share:g} allowed; the commonest cause is {cause} ({times} times).',
                grace=self.policy.grace,
            )

    def _keep_the_deadline(self) -> None:
        hours = self.policy.max_hours
        if hours is not None and time.monotonic() - self.board.started > 3600 * hours:
            self.board.end('exhausted', f'The time allowed ({hours:g} hours) is over.', grace=self.policy.grace)

    def _lose(self, flight: Flight) -> None:
        self._free(flight)
        attempt = flight.attempt
        self.traces.event(
            self.name,
            'lease_expired',
            f'No result of {attempt.candidate.key} in {self.policy.simulation_lease:g} s: it is taken for lost.',
            level='warning',
            key=attempt.candidate.key,
            attempt=attempt.number,
        )
        self.board.losses[attempt.candidate.key] += 1
        self.board.repeat(attempt, lost=True)

    def _drop_duplicate(self, result: Result, key: str, number: int) -> None:
        value_of(result)  # fetching it evicts what the worker stored
        self._write(result, failure_of(result), key=key, args=[], attempt=number, outcome='duplicate')

    def _record(
        self,
        result: Result,
        candidate: Candidate,
        number: int,
        outcome: _Outcome,
        *,
        observation: Observation | None = None,
        failure: Failure | None = None,
    ) -> None:
        self._write(
            result,
            failure,
            key=candidate.key,
            row=candidate.row,
            args=list(candidate.args),
            choice=candidate.choice.facts(),
            attempt=number,
            outcome=outcome,
            value=observation.value if observation is not None else None,
            output=dict(observation.record) if observation is not None else None,
        )

    def _write(self, result: Result, failure: Failure | None, **fields: Any) -> None:
        self.traces.write(SimulationRecord(**task_fields(result, failure), **fields))
