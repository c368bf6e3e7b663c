"""What is seen to while no result comes: what is lost, what takes long, what is to be called back."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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
        self._called: dict[str, Flight] = {}
        self.roll = RollCall(context.queues, SIMULATE, context.policy.roll_call)

    def look(self) -> None:
        """See to everything that is due."""
        self._keep_leases()
        self.roll.ask_if_due(self._task_ids)
        self._report_stragglers()
        self._call_back()

    def answer(self, result: Result) -> bool:
        """Take the answer of a task server to something other than a simulation; returns whether it was one."""
        if result.method not in CONTROLS:
            return False
        if self.roll.is_answer(result):
            missing = self.roll.missing(result)
            flights = [self._called[task_id] for task_id in missing if task_id in self._called]
            for flight in self._board.lose(flights):
                self._lose(flight, 'the task server does not hold it any more')
        return True

    def _task_ids(self) -> Iterable[str]:
        with self._board.lock:
            self._called = self._board.flights.by_task()
        return self._called

    def _keep_leases(self) -> None:
        for flight in self._board.overdue():
            self._lose(flight, f'no result came in {self._policy.simulation_lease:g} s')

    def _report_stragglers(self) -> None:
        for flight in self._board.stragglers():
            seconds, median = flight.seconds_out(), self._board.run_times.median() or 0.0
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

    def _call_back(self) -> None:
        with self._board.lock:
            flights = self._board.flights.to_call_back()
        if not flights:
            return
        ids = tuple(flight.task_id for flight in flights)
        self._queues.send_inputs(ids, method=CANCEL, topic=SIMULATE, keep_inputs=False)
        with self._board.lock:
            self._board.flights.called_back(flights)
