"""What the six agents have in common: a loop that nothing breaks out of."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from typing import ClassVar

from colmena.exceptions import TimeoutException
from colmena.models import Result

from scoutbee.contracts.storage import Loan
from scoutbee.traces.errors import TraceError

from .context import Context

PATIENCE = 0.25
"""Longest wait, in seconds, before an agent looks whether the campaign has ended."""

_AT_ONCE = 128
"""Results taken at once: enough to share the cost of asking, few enough that nobody waits for the others to be read."""

_TROUBLES = 6
_PAUSE = 0.25


class Agent(ABC):
    """An agent waits for its event, does one thing about it, and waits again.

    It never raises: an error is written down, the step is tried again after a growing pause, and after six errors in
    a row the agent ends the campaign, with the last one as the reason. An error in writing the trace ends it at once,
    because nothing may be acted on that is not on disk.
    """

    name: ClassVar[str]

    def __init__(self, context: Context) -> None:
        """Args: context: The parts of the running campaign."""
        self.context = context
        self.board = context.board
        self.policy = context.policy
        self.traces = context.traces

    @abstractmethod
    def step(self) -> None:
        """Wait for the agent's event, at most ``PATIENCE`` seconds, and respond to it."""

    def is_finished(self) -> bool:
        """Whether the agent has nothing more to do in this campaign."""
        return self.board.done.is_set()

    def run(self) -> None:
        """Respond to events until the campaign has ended."""
        troubles = 0
        while not self.is_finished():
            error = self._try_step()
            troubles = 0 if error is None else troubles + 1
            if isinstance(error, TraceError):
                self.board.end('failed', f'The trace could not be written: {error}')
                return
            if error is not None:
                self._report(error, troubles)

    def _try_step(self) -> Exception | None:
        try:
            self.step()
        except Exception as error:
            return error
        return None

    def receive(self, topic: str, timeout: float = PATIENCE) -> Result | None:
        """The next result of a topic, or None if none came in time."""
        try:
            return self.context.queues.get_result(topic=topic, timeout=timeout)
        except TimeoutException:
            return None

    def receive_all(self, topic: str, timeout: float = PATIENCE) -> list[Result]:
        """The results of a topic that are there, or else the next one; none if none came in time."""
        try:
            return self.context.queues.get_results(topic, timeout, _AT_ONCE)  # type: ignore[no-any-return]
        except TimeoutException:
            return []

    def reclaim(self, loan: Loan) -> None:
        """Take back what was lent. A store that fails costs the object's eviction, never the result at hand."""
        try:
            self.context.depot.reclaim(loan)
        except Exception as error:
            self.traces.event(
                self.name, 'reclaim_failed', f'An object could not be evicted: {error}', level='warning', key=loan.key
            )

    def _report(self, error: Exception, troubles: int) -> None:
        told = f'{type(error).__name__}: {error}'
        if troubles >= _TROUBLES:
            self.board.end('failed', f'The {self.name} failed {troubles} times in a row; the last error was {told}')
        try:
            self.traces.event(
                self.name,
                'trouble',
                f'The {self.name} met an error and tries again: {told}',
                level='error',
                error=type(error).__name__,
                traceback=''.join(traceback.format_exception(error)),
                troubles=troubles,
            )
        except TraceError as trace_error:
            self.board.end('failed', f'The trace could not be written: {trace_error}')
        pause = _PAUSE * 2**troubles
        if not self.board.done.wait(pause) or self.is_finished():
            return
        time.sleep(min(pause, PATIENCE))  # draining: done is set already, so it cannot be waited for
