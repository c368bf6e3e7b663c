"""What is seen to while no result comes: what is lost, what takes long, what is to be called back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from colmena.models import Result

from scoutbee.contracts.campaign import SIMULATE
from scoutbee.contracts.control import CANCEL, CONTROLS

from .context import Context
from .flights import Flight
from .roll_call import RollCall


class FlightWatch:
    """Keeps the leases, calls the roll, reports stragglers, and calls back what is not wanted any more.

    Attributes:
        roll: The roll call of simulations.
    """

    def __init__(self, context: Context, agent: str, lose: Callable[[Flight, str], None]) -> None:
        """Watch the flights on the board.

        Args:
            context: The parts of the running campaign.
            agent: For whom.
            lose: Told of each flight that was ended because it is lost, and why, as a clause.
        """
        self._board = context.board
        self._policy = context.policy
        self._queues = context.queues
        self._traces = context.traces
        self._agent = agent
        self._lose = lose
        self.roll = RollCall(context.queues, SIMULATE, context.policy.roll_call)

    def look(self) -> None:
        """See to everything that is due."""
        self._keep_leases()
        self.roll.ask_if_due(self._task_ids())
        self._report_stragglers()
        self._call_back()

    def answer(self, result: Result) -> bool:
        """Take the answer of a task server to something other than a simulation; returns whether it was one."""
        if result.method not in CONTROLS:
            return False
        if self.roll.is_answer(result):
            with self._board.lock:
                missing = self._board.flights.missing(self.roll.missing(result))
            for flight in missing:
                self._lose(flight, 'the task server does not hold it any more')
        return True

    def _task_ids(self) -> Iterator[str]:
        with self._board.lock:
            task_ids = self._board.flights.task_ids()
        yield from task_ids

    def _keep_leases(self) -> None:
        with self._board.lock:
            overdue = self._board.flights.overdue()
        for flight in overdue:
            self._lose(flight, f'no result came in {self._policy.simulation_lease:g} s')

    def _report_stragglers(self) -> None:
        with self._board.lock:
            slow = [flight for flight in self._board.slow_flights(self._policy.straggler) if not flight.is_reported]
            median = self._board.run_times.median() or 0.0
        for flight in slow:
            seconds = flight.seconds_out()
            self._traces.event(
                self._agent,
                'straggler',
                f'{flight.key} has been out for {seconds:.3g} s; half of the others came back within {median:.3g} s.',
                level='warning',
                key=flight.key,
                attempt=flight.attempt.number,
                seconds=seconds,
                median=median,
            )
            flight.is_reported = True

    def _call_back(self) -> None:
        with self._board.lock:
            flights = self._board.flights.to_call_back()
        if not flights:
            return
        ids = tuple(flight.task_id for flight in flights)
        self._queues.send_inputs(ids, method=CANCEL, topic=SIMULATE, keep_inputs=False)
        with self._board.lock:
            self._board.flights.called_back(flights)
