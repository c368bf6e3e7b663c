"""The simulation receiver: a result becomes an observation, and perhaps a reason to learn or to end."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from colmena.models import Result

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.candidates import Candidate, Observation
from scoutbee.contracts.control import CONTROLS
from scoutbee.contracts.errors import Failure, FailureKind, TaskError
from scoutbee.traces.errors import TraceError

from .agent import Agent
from .ahead import Ahead
from .buffer import Attempt
from .context import Context
from .flight_watch import FlightWatch
from .flights import Flight
from .reach import Reach
from .results import failure_of, value_of
from .simulation_records import record_of, record_of_loss
from .verdicts import Judge, Verdict


class SimulationReceiver(Agent):
    """Wakes on a simulation result; frees the slot first, makes the record durable, counts, and decides.

    A simulation that is lost gives its slot back, and is simulated again; a late result of it is still taken, if it
    is the first. While another attempt at the same candidate is out, a failure decides nothing.
    """

    name = 'simulation receiver'

    def __init__(self, context: Context) -> None:
        """Args: context: The parts of the running campaign."""
        super().__init__(context)
        self._watch = FlightWatch(context, self.name, self._lose)
        self._judge = Judge(context)
        self._ahead = Ahead(context)
        self._reach = Reach(context, SIMULATE, self.policy.simulation_retries)
        self.roll = self._watch.roll

    def is_finished(self) -> bool:
        """Whether the campaign has ended and nothing in flight is waited for."""
        return self.board.is_drained

    def step(self) -> None:
        """Respond to the results that are there, and to all that is due."""
        results = self.receive_all(SIMULATE)
        errors: list[Exception] = []
        for result, flight in self._land(results, errors):
            self._try(result, flight, errors)
        self._watch.look()
        self._end_in_time()
        if errors:
            raise errors[0]

    def _try(self, result: Result, flight: Flight | None, errors: list[Exception]) -> None:
        """Respond to a result; an error is kept for later, because the others came back all the same."""
        try:
            if not self._watch.answer(result):
                self._respond(result, flight)
        except TraceError:
            raise
        except Exception as error:
            errors.append(error)

    def _land(self, results: Sequence[Result], errors: list[Exception]) -> list[tuple[Result, Flight | None]]:
        """End the flights of results and free their slots, before anything else is done about them."""
        landed: list[tuple[Result, Flight | None]] = []
        for result in results:
            try:
                landed.append((result, self._end_flight(result)))
            except Exception as error:  # noqa: PERF203  # the others came back all the same
                errors.append(error)
        flights = [flight for _, flight in landed if flight is not None]
        if flights:
            self._free(flights)
        return landed

    def _end_flight(self, result: Result) -> Flight | None:
        if result.method in CONTROLS:
            return None
        key, number = _attempt_of(result)
        return self.board.land(key, number, result.task_id)

    def _respond(self, result: Result, flight: Flight | None) -> None:
        key, number = _attempt_of(result)
        candidate = self.board.sent(key, number)
        if candidate is None:
            self._drop_duplicate(result, flight.candidate if flight is not None else Candidate(key, ()), number)
            return
        try:
            self._take(result, candidate, number, flight)
        except TraceError:
            raise
        except Exception as error:
            self._rescue(candidate, number, error)
            raise

    def _free(self, flights: Sequence[Flight]) -> None:
        self.context.slots.release(SIMULATE, len(flights))
        for flight in flights:
            self.reclaim(flight.loan)

    def _take(self, result: Result, candidate: Candidate, number: int, flight: Flight | None) -> None:
        observation, failure = self._read(result, candidate)
        if failure is None:
            assert observation is not None
            if flight is not None:
                self.board.ran(flight.seconds_out())
                self._ahead.note(result.time.running)
            self._observe(result, observation, number)
        elif self.board.is_under_way(candidate.key):  # a failure beside another attempt decides nothing
            self.board.kills[candidate.key] += failure.kind is FailureKind.KILLED
            self.traces.write(record_of(result, candidate, number, 'duplicate', failure=failure))
        elif flight is not None and failure.kind is FailureKind.CANCELLED and self.board.may_withdraw(flight):
            self._withdraw(result, candidate, number, failure)
        else:
            verdict = self._judge.judge(candidate, failure)
            self.traces.write(record_of(result, candidate, number, verdict.outcome, failure=failure))
            self._carry_out(verdict, number, failure)
        self._reach.note(failure)

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
        self.traces.write(record_of(result, observation.candidate, number, 'observed', observation=observation))
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

    def _withdraw(self, result: Result, candidate: Candidate, number: int, failure: Failure) -> None:
        self.traces.write(record_of(result, candidate, number, 'withdrawn', failure=failure))
        self.traces.event(
            self.name,
            'withdrawn',
            f'{candidate.key} was called back before it began: the newest ranking prefers others.',
            key=candidate.key,
        )
        self.board.withdraw(candidate)

    def _lose(self, flight: Flight, why: str) -> None:
        self._free([flight])
        candidate, number = flight.candidate, flight.attempt.number
        self.traces.event(
            self.name,
            'lost',
            f'The simulation of {candidate.key} is lost: {why}.',
            level='warning',
            key=candidate.key,
            attempt=number,
            why=why,
        )
        if candidate.key not in self.board.open or self.board.is_under_way(candidate.key):
            return
        failure = Failure(FailureKind.LOST, 'Lost', f'It was lost: {why}.')
        verdict = self._judge.judge(candidate, failure)
        if verdict.outcome != 'retried':
            self.traces.write(record_of_loss(flight, verdict.outcome, failure))
        self._carry_out(verdict, number, failure)

    def _carry_out(self, verdict: Verdict, number: int, failure: Failure) -> None:
        if verdict.outcome == 'retried':
            self.board.repeat(Attempt(verdict.candidate, number), lost=verdict.is_after_loss)
            return
        self.board.give_up(verdict.candidate.key, failure.error, quarantined=verdict.outcome == 'quarantined')
        self._end_if_hopeless()

    def _rescue(self, candidate: Candidate, number: int, error: Exception) -> None:
        """A result that could not be dealt with must not leave its candidate in between."""
        if candidate.key not in self.board.open or self.board.is_under_way(candidate.key):
            return
        if number <= self.policy.simulation_retries:
            self.board.repeat(Attempt(candidate, number), lost=False)
        else:
            self.board.give_up(candidate.key, type(error).__name__, quarantined=False)

    def _drop_duplicate(self, result: Result, candidate: Candidate, number: int) -> None:
        with contextlib.suppress(Exception):  # fetching it evicts what the worker stored; nobody needs it
            value_of(result)
        self.traces.write(record_of(result, candidate, number, 'duplicate', failure=failure_of(result)))

    # -- the end ------------------------------------------------------------------------------------------------

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

    def _end_in_time(self) -> None:
        horizon = self.board.horizon
        if self.board.done.is_set() or not (horizon.is_reached or self.board.is_out_of_time()):
            return
        why = 'is over' if horizon.is_reached else 'does not suffice for another simulation'
        self.board.end(
            'exhausted',
            f'The time allowed ({horizon.hours:g} hours) {why}; --resume goes on from here.',
            grace=min(self.policy.grace, horizon.reserve / 2),
        )


def _attempt_of(result: Result) -> tuple[str, int]:
    """Key of a result's candidate, and which attempt it was."""
    info = result.task_info or {}
    return str(info['key']), int(info['attempt'])
